// What the answers of POST /generate look like in JSON.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/request.hpp"
#include "net/feed.hpp"
#include "net/http_message.hpp"
#include "text/tokenizer.hpp"

namespace troupe {

struct answer_facts {
  std::string_view id;
  std::uint64_t seed = 0;
  bool has_logprobs = false;
  const tokenizer& words;
};

// The whole answer, with its newline.
std::string whole_answer(const answer_facts& facts, const answer_piece& all);
// One server-sent event; with the end of the answer it carries the reason and the usage.
std::string answer_event(const answer_facts& facts, const answer_piece& piece);
std::string error_event(const http_error& error);
inline constexpr std::string_view done_event = "data: [DONE]\n\n";

// Why an answer failed, as the client sees it. `end.why` is neither stop nor length.
http_error to_http_error(const answer_end& end);

}  // namespace troupe
