// Qwen2.5's chat template: a conversation becomes the prompt text that the model was trained on.
#pragma once
#include "core/outcome.hpp"
#include "text/json.hpp"
#include "text/tokenizer.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// Text in which the template's own words are told from those of the conversation: only in the
// former the spelling of an added token is that token, so that nobody's words can end a turn.
struct chat_prompt {
  std::string text;
  std::vector<text_range> own;  // of the template; sorted, apart

  // The model goes on with the last message instead of answering it.
  void reopen_last_turn();
};

class chat_template {
 public:
  // Reads tokenizer_config.json and recognises the template by its text: there is no Jinja
  // interpreter, so nothing in a model directory can execute. The code `unsupported` says that the
  // model has no template, or one that is not Qwen2.5's: the rest of the model is still usable.
  static outcome<chat_template> load(const std::filesystem::path& model_dir);
  // Recognises the template itself; Qwen2.5's models differ in their default system text only.
  static outcome<chat_template> recognise(std::string_view jinja);

  // `messages` and `tools` as in OpenAI's API, contents as strings (tools may be null). Failures
  // name the message, and `field` is "messages" or "tools".
  outcome<chat_prompt> render(const json_value& messages, const json_value& tools,
                              bool add_generation_prompt) const;

 private:
  explicit chat_template(std::string default_system);
  std::string default_system_;  // what the model is told when no system message comes first
};

}  // namespace troupe
