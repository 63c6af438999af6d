#include "net/token_account.hpp"

#include <utility>

namespace troupe {

token_account::~token_account() {
  auto unused = charge_.num_tokens - usage_.prompt_tokens - usage_.completion_tokens;
  if (keeper_ && unused > 0)
    caf::anon_send(keeper_, return_tokens{charge_.client, charge_.per_minute, unused});
}

void token_account::hold(gatekeeper keeper, charge_tokens charge) {
  keeper_ = std::move(keeper);
  charge_ = std::move(charge);
}

void token_account::spend(const token_usage& usage) {
  usage_.prompt_tokens += usage.prompt_tokens;
  usage_.cached_tokens += usage.cached_tokens;
  usage_.completion_tokens += usage.completion_tokens;
}

}  // namespace troupe
