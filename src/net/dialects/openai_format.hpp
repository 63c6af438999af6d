// The form of an answer as OpenAI's APIs ask for it, and vLLM's names beside them.
#pragma once
#include <optional>
#include <string_view>

#include "net/body_fields.hpp"
#include "net/dialects/openai_fields.hpp"
#include "text/structured.hpp"

namespace troupe {

// {"type": "text" | "json_object" | "json_schema", ...}, and of our own "regex", "choice" and
// "grammar" with a member of that name. Nothing for text and for an absent field.
std::optional<structured_request> read_format(body_fields& fields, std::string_view name,
                                              nesting form);

// Where prompts are continued and in chats: response_format, structured_outputs or the guided_*
// fields that came before it.
std::optional<structured_request> read_text_form(body_fields& fields);

}  // namespace troupe
