// Qwen2.5's chat template: a conversation becomes the prompt text that the model was trained on.
#pragma once
#include "core/outcome.hpp"
#include "text/json.hpp"
#include "text/tokenizer.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace troupe {

class chat_template {
 public:
  // Reads tokenizer_config.json and recognises the template by its text: there is no Jinja
  // interpreter, so nothing in a model directory can execute. Unknown templates are refused.
  static outcome<chat_template> load(const std::filesystem::path& model_dir);

  // `messages` and `tools` as in OpenAI's API (tools may be null). Failures name the message.
  outcome<std::string> render(const json_value& messages, const json_value& tools,
                              bool add_generation_prompt) const;
};

}  // namespace troupe
