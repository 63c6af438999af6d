// Tools as OpenAI's APIs describe them: which the model is told of, which it may or must call.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "net/body_fields.hpp"
#include "net/dialects/openai_fields.hpp"
#include "net/structured.hpp"
#include "text/json.hpp"

namespace troupe {

inline constexpr std::size_t max_tools = 128;
bool is_tool_name(std::string_view name);

struct tool_wishes {
  json_value shown;        // as the template shows them; null: the model is told of none
  bool may_repeat = true;  // parallel_tool_calls
  json_value choice = {};  // tool_choice as it was given; null if it was not
  std::optional<structured_request> structure;  // what must be enforced

  // The answer is looked through for calls.
  bool are_active() const { return !shown.is_null(); }
};

// What must be enforced of the calls, if anything: a call at all, or the schemas of strict tools.
std::optional<structured_request> structure_of_calls(std::vector<structured_tool> tools,
                                                     bool must_call, bool may_repeat);

// tools, tool_choice and parallel_tool_calls. With tool_choice none the model is told of no tools.
tool_wishes read_tools(body_fields& fields, nesting form);

}  // namespace troupe
