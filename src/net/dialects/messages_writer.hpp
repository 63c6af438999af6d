// Answers as Anthropic's messages show them: blocks of text and of tool use.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "net/answer_plan.hpp"

namespace troupe {

struct messages_facts {
  std::string unique;  // makes the ids of the answer and of its calls
  std::string model;
  std::uint32_t num_prompt_tokens = 0;
  bool has_calls = false;  // the answer is looked through for tool calls
};

std::unique_ptr<answer_writer> make_messages_writer(messages_facts facts);

}  // namespace troupe
