// The input of OpenAI's Responses API as the chat template takes it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "net/body_fields.hpp"
#include "text/json.hpp"

namespace troupe {

struct responses_input {
  json_array messages;             // for the template
  std::vector<std::string> items;  // JSON with an id, as they can be listed later
  std::vector<std::string> ids;    // [items.size()]
};

// "input": a string, or a list of messages, calls that the model made and their outputs. They go on
// after `earlier`. `unique` makes ids for items that have none.
responses_input read_responses_input(body_fields& fields, json_array earlier,
                                     std::string_view unique);

}  // namespace troupe
