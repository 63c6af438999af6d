#include "actors/ending.hpp"

namespace troupe {

ending::~ending() {
  finish(finish_reason::failed, {},
         {.code = error_code::engine_failed, .message = "the engine stopped before the answer"});
}

void ending::tokens(std::vector<sampled_token> tokens) {
  if (!is_finished_) caf::anon_send(reader_, tokens_ready{request_, std::move(tokens)});
}

void ending::token(sampled_token token) {
  std::vector<sampled_token> one;
  one.push_back(std::move(token));
  tokens(std::move(one));
}

void ending::finish(finish_reason why, token_usage usage, failure error) {
  if (std::exchange(is_finished_, true)) return;
  caf::anon_send(reader_, finished{request_, why, usage, std::move(error)});
}

}  // namespace troupe
