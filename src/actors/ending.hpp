// The promise that every accepted request ends exactly once: whoever owns it must finish it, and
// dropping it unfinished tells the reader that the request failed. Nothing ends in silence.
#pragma once
#include "actors/token_sink.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace troupe {

class ending {
 public:
  ending(request_id request, token_sink reader) : request_(request), reader_(std::move(reader)) {}
  ~ending();
  ending(const ending&) = delete;
  ending& operator=(const ending&) = delete;

  void tokens(std::vector<sampled_token> tokens);
  void token(sampled_token token);
  // The first call counts; later ones say nothing.
  void finish(finish_reason why, token_usage usage = {}, failure error = {});

 private:
  request_id request_;
  token_sink reader_;
  bool is_finished_ = false;
};

// Shared so that it may travel in a message; one actor at a time uses it.
using ending_ptr = std::shared_ptr<ending>;

}  // namespace troupe
