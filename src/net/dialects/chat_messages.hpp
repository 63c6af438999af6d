// The messages of OpenAI's chat API as the chat template takes them.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/id.hpp"
#include "core/outcome.hpp"
#include "net/body_fields.hpp"
#include "net/service.hpp"
#include "text/json.hpp"

namespace troupe {

// Required. Parts of text are joined by line ends, developers are systems, the arguments of calls
// become objects. What is wrong stays in `fields`, with its path: messages[1].content.
json_array read_messages(body_fields& fields);

// One part of a content, of which only text can be read: {"type": "text", "text": ...}. `types` are
// the names that parts of text have.
std::optional<std::string> read_text_part(const json_value& part, const std::string& path,
                                          std::initializer_list<std::string_view> types,
                                          body_fields& fields);
// The arguments of a call that the model made before, as an object.
json_value read_call_arguments(body_fields& call, const std::string& path);
// {"name": ..., "arguments": ...}
json_value make_call(std::string name, json_value arguments);
json_value make_message(std::string_view role, std::string content);

struct conversation {
  json_array messages;
  json_value tools;                   // as the template shows them; null: none
  bool add_generation_prompt = true;  // the assistant's turn begins
  bool continue_final_message = false;
};

// [num_prompt_tokens]. Added tokens are the template's alone: what the conversation spells like one
// is plain text.
outcome<std::vector<token_id>> encode(const conversation& talk, const service& facts);

}  // namespace troupe
