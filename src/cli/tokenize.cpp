#include "cli/tokenize.hpp"

#include "text/chat_template.hpp"
#include "text/json.hpp"
#include "text/tokenizer.hpp"

#include <istream>
#include <limits>
#include <ostream>
#include <string>

namespace troupe {
namespace {

failure wrong(std::string_view key, std::string_view expected, const json_value& found) {
  std::string why(1, '"');
  why.append(key).append("\" must be ").append(expected).append(", found ");
  why.append(found.type_name());
  return {error_code::invalid_argument, std::move(why), std::string(key)};
}

outcome<bool> read_flag(const json_value& line, std::string_view key, bool otherwise) {
  const json_value* value = line.find(key);
  if (value == nullptr) return otherwise;
  if (value->as_bool() == nullptr) return wrong(key, "a boolean", *value);
  return *value->as_bool();
}

outcome<std::vector<token_id>> read_ids(const json_value& value) {
  if (value.as_array() == nullptr) return wrong("ids", "an array", value);
  std::vector<token_id> ids;
  ids.reserve(value.as_array()->size());
  for (const json_value& entry : *value.as_array()) {
    const std::int64_t* id = entry.as_int();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<token_id>::max()) {
      return failure{error_code::invalid_argument, "\"ids\" must hold token ids only", "ids"};
    }
    ids.push_back(static_cast<token_id>(*id));
  }
  return ids;
}

json_value ids_object(const std::vector<token_id>& ids) {
  json_array items;
  items.reserve(ids.size());
  for (const token_id id : ids) items.emplace_back(std::int64_t{id});
  return json_object{{"ids", std::move(items)}};
}

class line_answerer {
 public:
  line_answerer(const tokenizer& words, const outcome<chat_template>& chat)
      : words_(words), chat_(chat) {}

  outcome<json_value> answer(std::string_view text) const {
    auto line = parse_json(text);
    if (!line) return line.error();
    if (line->as_object() == nullptr) return wrong("line", "an object", *line);
    if (const json_value* ids = line->find("ids")) return decode(*line, *ids);
    if (const json_value* value = line->find("text")) {
      if (value->as_string() == nullptr) return wrong("text", "a string", *value);
      return encode(*line, *value->as_string());
    }
    if (const json_value* messages = line->find("messages")) return render(*line, *messages);
    return failure{error_code::invalid_argument,
                   "the line must have the key \"text\", \"messages\" or \"ids\"", ""};
  }

 private:
  outcome<json_value> decode(const json_value& line, const json_value& value) const {
    const auto ids = read_ids(value);
    if (!ids) return ids.error();
    const auto skip = read_flag(line, "skip_special_tokens", false);
    if (!skip) return skip.error();
    return json_value(json_object{{"text", words_.decode(*ids, *skip)}});
  }

  outcome<json_value> encode(const json_value& line, std::string_view text) const {
    const auto parse = read_flag(line, "parse_special", true);
    if (!parse) return parse.error();
    const auto mode = *parse ? added_tokens_in_text::parse : added_tokens_in_text::plain;
    return ids_object(words_.encode(text, mode));
  }

  outcome<json_value> render(const json_value& line, const json_value& messages) const {
    if (!chat_) return chat_.error();
    const auto prompt = read_flag(line, "add_generation_prompt", true);
    if (!prompt) return prompt.error();
    const json_value* tools = line.find("tools");
    const auto text = chat_->render(messages, tools == nullptr ? json_value() : *tools, *prompt);
    if (!text) return text.error();
    return encode(line, text->text);
  }

  const tokenizer& words_;
  const outcome<chat_template>& chat_;
};

}  // namespace

int run_tokenize(const std::filesystem::path& model_dir, std::istream& in, std::ostream& out,
                 std::ostream& err) {
  const auto words = tokenizer::load(model_dir);
  if (!words) {
    err << words.error().message << '\n';
    return 1;
  }
  const auto chat = chat_template::load(model_dir);
  const line_answerer answerer(*words, chat);
  std::string line, reply;
  while (std::getline(in, line)) {
    const auto answered = answerer.answer(line);
    reply.clear();
    append_json(reply, answered ? *answered : json_object{{"error", answered.error().message}});
    out << reply << '\n' << std::flush;
  }
  return 0;
}

}  // namespace troupe
