// Tools as OpenAI's APIs describe them: which the model is told of, which it may or must call.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "net/body_fields.hpp"
#include "net/dialects/openai_fields.hpp"
#include "text/json.hpp"
#include "text/structured.hpp"

namespace troupe {

inline constexpr std::size_t max_tools = 128;
bool is_tool_name(std::string_view name);

struct tool_wishes {
  json_value shown;        // as the template shows them; null: the model is told of none
  bool may_repeat = true;  // parallel_tool_calls
  json_value choice = {};  // tool_choice as it was given; null if it was not
  std::vector<structured_tool> tools;  // that may be called
  bool must_call = false;              // the answer is calls only
  bool is_named = false;               // one call of the one tool

  // The answer is looked through for calls.
  bool are_active() const { return !shown.is_null(); }
};

// tools, tool_choice and parallel_tool_calls. With tool_choice none the model is told of no tools.
tool_wishes read_tools(body_fields& fields, nesting form);

// What must be enforced of an answer, if anything: a call at all, the schemas of strict tools, or
// that what is no call has the `form`. Where a call must come, no text does.
std::optional<structured_request> structure_of_answer(tool_wishes tools,
                                                      std::optional<structured_request> form);

}  // namespace troupe
