// The conversation of Anthropic's API, as the chat template takes it.
#pragma once
#include <optional>

#include "net/body_fields.hpp"
#include "net/dialects/chat_messages.hpp"
#include "text/structured.hpp"

namespace troupe {

struct anthropic_conversation {
  conversation talk;
  std::optional<structured_request> structure;  // what must be enforced
  bool may_repeat = true;                       // more than one call

  bool has_calls() const { return !talk.tools.is_null(); }
};

// messages, system, tools and tool_choice. A last turn of the assistant is gone on with. What is
// wrong stays in `fields`, with its path.
anthropic_conversation read_anthropic_conversation(body_fields& fields);

}  // namespace troupe
