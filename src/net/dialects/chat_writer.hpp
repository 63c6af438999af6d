// Answers as OpenAI's chat completions show them.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/answer_plan.hpp"
#include "text/tokenizer.hpp"

namespace troupe {

struct chat_facts {
  std::string unique;  // makes the ids of the answer and of its calls
  std::int64_t created = 0;
  std::string model;
  std::shared_ptr<const tokenizer> words;
  std::vector<token_id> stop_tokens;  // not shown
  std::size_t num_choices = 1;
  bool has_calls = false;  // the answers are looked through for tool calls
  bool has_logprobs = false;
  bool has_token_ids = false;
  bool streams_usage = false;
};

std::unique_ptr<answer_writer> make_chat_writer(chat_facts facts);

}  // namespace troupe
