#include "text/chat_template.hpp"

#include "text/file.hpp"

namespace troupe {
namespace {

// FNV-1a, 64 bits.
constexpr std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3U;
  return hash;
}

// Qwen2.5's template with its default system text taken out.
constexpr std::uint64_t template_hash = 0xC73E'FC1F'DA33'07ADU;
constexpr std::size_t template_bytes = 2370;

failure not_usable(std::string why) {
  return {error_code::unsupported, std::move(why), "chat_template"};
}

failure bad_messages(std::string why) {
  return {error_code::invalid_argument, std::move(why), "messages"};
}

std::string name_of(std::size_t message_idx) {
  return "messages[" + std::to_string(message_idx) + "]";
}

bool is_absent(const json_value* value) { return value == nullptr || value->is_null(); }

std::string_view type_of(const json_value* value) {
  return value == nullptr ? "nothing" : value->type_name();
}

constexpr std::string_view tools_head =
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>";
constexpr std::string_view tools_tail =
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n";

enum class role { system, user, assistant, tool };

// One conversation on its way to text. Every append_ returns false with `why` set on a refusal.
class conversation_writer {
 public:
  conversation_writer(const json_array& messages, std::string_view default_system)
      : messages_(messages), default_system_(default_system) {}

  bool write(const json_array* tools, bool add_generation_prompt) {
    if (messages_.empty()) return refuse("messages must not be empty");
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      if (!read_role(i)) return false;
    }
    if (!append_system(tools)) return false;
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      if (!append_message(i)) return false;
    }
    if (add_generation_prompt) add("<|im_start|>assistant\n");
    return true;
  }

  chat_prompt prompt;
  failure why;

 private:
  // The template's own words; everything else goes to `prompt.text` directly.
  void add(std::string_view words) {
    auto& own = prompt.own;
    const std::size_t begin = prompt.text.size();
    prompt.text += words;
    if (own.empty() || own.back().end != begin) own.push_back({begin, begin});
    own.back().end = prompt.text.size();
  }

  bool refuse(std::string reason) {
    why = bad_messages(std::move(reason));
    return false;
  }

  bool read_role(std::size_t i) {
    const json_value* value = messages_[i].find("role");
    const std::string* name = value == nullptr ? nullptr : value->as_string();
    if (name == nullptr) {
      return refuse(name_of(i) + ".role must be a string, found " + std::string(type_of(value)));
    }
    if (*name == "system")
      roles_.push_back(role::system);
    else if (*name == "user")
      roles_.push_back(role::user);
    else if (*name == "assistant")
      roles_.push_back(role::assistant);
    else if (*name == "tool")
      roles_.push_back(role::tool);
    else {
      return refuse(name_of(i) + ".role must be system, user, assistant or tool, found \"" + *name +
                    "\"");
    }
    return true;
  }

  bool append_content(std::size_t i) {
    const json_value* value = messages_[i].find("content");
    const std::string* content = value == nullptr ? nullptr : value->as_string();
    if (content == nullptr) {
      return refuse(name_of(i) + ".content must be a string, found " + std::string(type_of(value)));
    }
    prompt.text += *content;
    return true;
  }

  bool append_system(const json_array* tools) {
    add("<|im_start|>system\n");
    if (roles_[0] != role::system)
      add(default_system_);
    else if (!append_content(0))
      return false;
    if (tools == nullptr) {
      add("<|im_end|>\n");
      return true;
    }
    add(tools_head);
    for (const json_value& tool : *tools) {
      add("\n");
      append_json_python(prompt.text, tool);
    }
    add(tools_tail);
    return true;
  }

  bool append_message(std::size_t i) {
    switch (roles_[i]) {
      case role::system: return i == 0 || append_turn(i, "system");
      case role::user: return append_turn(i, "user");
      case role::assistant: return append_assistant(i);
      case role::tool: return append_tool_response(i);
    }
    return false;
  }

  bool append_turn(std::size_t i, std::string_view name) {
    add("<|im_start|>");
    add(name);
    add("\n");
    if (!append_content(i)) return false;
    add("<|im_end|>\n");
    return true;
  }

  bool append_assistant(std::size_t i) {
    const json_value* calls = messages_[i].find("tool_calls");
    if (!is_absent(calls) && calls->as_array() == nullptr) {
      return refuse(name_of(i) + ".tool_calls must be an array, found " +
                    std::string(calls->type_name()));
    }
    if (is_absent(calls) || calls->as_array()->empty()) return append_turn(i, "assistant");
    add("<|im_start|>assistant");
    const json_value* content = messages_[i].find("content");
    const bool is_empty =
        !is_absent(content) && content->as_string() != nullptr && content->as_string()->empty();
    if (!is_absent(content) && !is_empty) {
      add("\n");
      if (!append_content(i)) return false;
    }
    for (std::size_t k = 0; k < calls->as_array()->size(); ++k) {
      const std::string name = name_of(i) + ".tool_calls[" + std::to_string(k) + "]";
      if (!append_tool_call((*calls->as_array())[k], name)) return false;
    }
    add("<|im_end|>\n");
    return true;
  }

  bool append_tool_call(const json_value& call, const std::string& where) {
    const json_value* function = call.find("function");
    if (function == nullptr) function = &call;
    const json_value* name = function->find("name");
    if (name == nullptr || name->as_string() == nullptr) {
      return refuse(where + " must name its function by a string, found " +
                    std::string(type_of(name)));
    }
    add("\n<tool_call>\n{\"name\": \"");
    prompt.text += *name->as_string();
    add("\", \"arguments\": ");
    if (!append_arguments(function->find("arguments"), where)) return false;
    add("}\n</tool_call>");
    return true;
  }

  // An object, or as OpenAI's API has it a string that holds one; the empty string holds {}.
  bool append_arguments(const json_value* arguments, const std::string& where) {
    if (arguments != nullptr && arguments->as_object() != nullptr) {
      append_json_python(prompt.text, *arguments);
      return true;
    }
    const std::string* spelled = arguments == nullptr ? nullptr : arguments->as_string();
    if (spelled == nullptr) {
      return refuse(where + ".arguments must be an object or a string that holds one, found " +
                    std::string(type_of(arguments)));
    }
    auto parsed = parse_json(spelled->empty() ? std::string_view("{}") : *spelled);
    if (!parsed) return refuse(where + ".arguments: " + parsed.error().message);
    if (parsed->as_object() == nullptr) {
      return refuse(where + ".arguments must hold an object, found " +
                    std::string(parsed->type_name()));
    }
    append_json_python(prompt.text, *parsed);
    return true;
  }

  // Consecutive responses share one turn.
  bool append_tool_response(std::size_t i) {
    if (i == 0 || roles_[i - 1] != role::tool) add("<|im_start|>user");
    add("\n<tool_response>\n");
    if (!append_content(i)) return false;
    add("\n</tool_response>");
    if (i + 1 == roles_.size() || roles_[i + 1] != role::tool) add("<|im_end|>\n");
    return true;
  }

  const json_array& messages_;
  std::string_view default_system_;
  std::vector<role> roles_;  // [messages_.size()]
};

// The string that a configuration calls its chat template; some list several by name.
const std::string* find_template(const json_value& config) {
  const json_value* value = config.find("chat_template");
  if (value == nullptr) return nullptr;
  if (value->as_array() == nullptr) return value->as_string();
  for (const json_value& entry : *value->as_array()) {
    const json_value* name = entry.find("name");
    const json_value* jinja = entry.find("template");
    const bool is_default = name != nullptr && name->as_string() != nullptr &&
                            *name->as_string() == "default" && jinja != nullptr;
    if (is_default) return jinja->as_string();
  }
  return nullptr;
}

}  // namespace

void chat_prompt::reopen_last_turn() {
  constexpr std::string_view end_of_turn = "<|im_end|>\n";
  if (!text.ends_with(end_of_turn)) return;
  text.resize(text.size() - end_of_turn.size());
  own.back().end = text.size();
}

chat_template::chat_template(std::string default_system)
    : default_system_(std::move(default_system)) {}

outcome<chat_template> chat_template::load(const std::filesystem::path& model_dir) {
  // A template in a file of its own goes before the one in the configuration.
  auto jinja = read_file(model_dir / "chat_template.jinja");
  if (jinja) return recognise(*jinja);
  if (jinja.error().code != error_code::not_found) return jinja.error();
  auto config = read_json_file(model_dir / "tokenizer_config.json");
  if (!config && config.error().code == error_code::not_found) {
    return not_usable("the model directory has no tokenizer_config.json, so no chat template");
  }
  if (!config) return config.error();
  const std::string* text = find_template(*config);
  if (text == nullptr) return not_usable("tokenizer_config.json names no chat template");
  return recognise(*text);
}

outcome<chat_template> chat_template::recognise(std::string_view jinja) {
  constexpr std::string_view before = "{%- else %}\n        {{- '";
  const auto unknown = [] {
    return not_usable("the model's chat template is not Qwen2.5's, so chat is not available");
  };
  const auto found = jinja.find(before);
  if (found == std::string_view::npos) return unknown();
  const auto begin = found + before.size();
  const std::string system(jinja.substr(begin, jinja.find_first_of("'\\", begin) - begin));
  std::string rest(jinja);
  rest.erase(begin, system.size());
  // It stands once more, in the branch without tools.
  constexpr std::string_view turn = "<|im_start|>system\\n";
  const auto again = rest.find(std::string(turn) + system + "<|im_end|>");
  if (again == std::string::npos) return unknown();
  rest.erase(again + turn.size(), system.size());
  if (rest.ends_with('\n')) rest.pop_back();
  if (rest.size() != template_bytes || hash_text(rest) != template_hash) return unknown();
  return chat_template(system);
}

outcome<chat_prompt> chat_template::render(const json_value& messages, const json_value& tools,
                                           bool add_generation_prompt) const {
  if (messages.as_array() == nullptr) {
    return bad_messages("messages must be an array, found " + std::string(messages.type_name()));
  }
  const json_array* list = tools.as_array();
  if (list == nullptr && !tools.is_null()) {
    return failure{error_code::invalid_argument,
                   "tools must be an array, found " + std::string(tools.type_name()), "tools"};
  }
  if (list != nullptr && list->empty()) list = nullptr;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    if ((*list)[i].as_object() != nullptr) continue;
    return failure{error_code::invalid_argument,
                   "tools[" + std::to_string(i) + "] must be an object, found " +
                       std::string((*list)[i].type_name()),
                   "tools"};
  }
  conversation_writer writer(*messages.as_array(), default_system_);
  if (!writer.write(list, add_generation_prompt)) return writer.why;
  return std::move(writer.prompt);
}

}  // namespace troupe
