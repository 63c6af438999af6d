// Answers as OpenAI's Responses API shows them: items of output, and an event for each step.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/answer_plan.hpp"
#include "net/dialects/responses_input.hpp"
#include "net/response_store.hpp"
#include "text/json.hpp"
#include "text/tokenizer.hpp"

namespace troupe {

// What a response repeats of its request.
struct responses_echo {
  std::string model;
  std::optional<std::string> instructions;
  std::optional<std::string> previous_response_id;
  std::optional<std::int64_t> max_output_tokens;
  std::optional<std::string> user;
  json_value metadata = json_object{};
  json_value text_format = json_object{{"type", std::string("text")}};
  json_value tools = json_array{};
  json_value tool_choice = std::string("auto");
  bool parallel_tool_calls = true;
  bool store = true;
  float temperature = 1;
  float top_p = 1;
  std::int32_t top_logprobs = 0;
};

struct responses_facts {
  std::string unique;  // makes the ids
  std::int64_t created = 0;
  std::shared_ptr<const tokenizer> words;
  std::vector<token_id> stop_tokens;  // not shown
  responses_echo echo;
  bool has_calls = false;  // the answer is looked through for tool calls
  bool has_logprobs = false;
  responses_input input;            // what is kept with the response
  std::uint64_t owner = 0;          // of the response
  response_store* store = nullptr;  // null: it is not kept. Must outlive the writer.
};

std::unique_ptr<answer_writer> make_responses_writer(responses_facts facts);

}  // namespace troupe
