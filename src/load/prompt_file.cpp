// Prompts of files.
#include <algorithm>

#include "load/keyed_random.hpp"
#include "load/prompts.hpp"
#include "text/file.hpp"
#include "text/json.hpp"

namespace troupe::load {
namespace {

constexpr std::uint64_t max_file_bytes = std::uint64_t{4} << 30;
constexpr json_limits file_limits{.max_depth = 64, .max_values = 1U << 27};
constexpr std::uint64_t length_stream = 0x66696C65;

struct known_prompt {
  std::vector<message> history;
  std::vector<std::string> turns;
  std::uint32_t max_tokens = 0;  // 0: not given
};

class file_prompts : public prompt_source {
 public:
  file_prompts(std::vector<known_prompt> prompts, const prompt_options& options)
      : prompts_(std::move(prompts)), options_(options) {}

  conversation make(std::uint64_t key) const override {
    auto& known = prompts_[key % prompts_.size()];
    keyed_random lengths(options_.seed ^ length_stream, key);
    conversation out{known.history, known.turns, {}};
    out.turns.resize(std::min<std::size_t>(out.turns.size(), options_.turns));
    for (std::size_t i = 0; i < out.turns.size(); ++i) {
      auto drawn = options_.max_tokens ? options_.max_tokens->draw(lengths) : 0;
      out.max_tokens.push_back(known.max_tokens > 0 ? known.max_tokens : drawn);
    }
    return out;
  }

  std::string describe() const override { return std::to_string(prompts_.size()) + " of a file"; }

 private:
  std::vector<known_prompt> prompts_;
  prompt_options options_;
};

std::string text_at(const json_value& from, std::string_view name) {
  const auto* found = from.find(name);
  const auto* text = found == nullptr ? nullptr : found->as_string();
  return text == nullptr ? std::string{} : *text;
}

// Everything before the last user's message is history: its answers are given, not asked for.
bool read_messages(const json_array& all, known_prompt& out) {
  for (auto& one : all) {
    message said{text_at(one, "role"), text_at(one, "content")};
    if (said.role.empty() || said.content.empty()) return false;
    out.history.push_back(std::move(said));
  }
  if (out.history.empty() || out.history.back().role != "user") return false;
  out.turns = {std::move(out.history.back().content)};
  out.history.pop_back();
  return true;
}

// ShareGPT: what people said is asked; what was answered to them then is not sent.
bool read_shared(const json_array& all, known_prompt& out) {
  for (auto& one : all) {
    auto from = text_at(one, "from");
    auto value = text_at(one, "value");
    if ((from == "human" || from == "user") && !value.empty()) out.turns.push_back(value);
    if (from == "system" && !value.empty() && out.turns.empty())
      out.history.push_back({"system", value});
  }
  return !out.turns.empty();
}

bool read_prompt(const json_value& json, known_prompt& out) {
  if (const auto* text = json.as_string()) {
    out.turns = {*text};
    return !text->empty();
  }
  if (const auto* limit = json.find("max_tokens"))
    if (const auto* value = limit->as_int(); value != nullptr && *value > 0)
      out.max_tokens = static_cast<std::uint32_t>(*value);
  if (const auto* all = json.find("messages"))
    return all->as_array() != nullptr && read_messages(*all->as_array(), out);
  if (const auto* all = json.find("conversations"))
    return all->as_array() != nullptr && read_shared(*all->as_array(), out);
  auto text = text_at(json, "prompt");
  if (text.empty()) text = text_at(json, "text");
  out.turns = {std::move(text)};
  return !out.turns[0].empty();
}

failure wrong(const std::string& why) { return {error_code::invalid_argument, why, "prompts"}; }

constexpr auto expected =
    " is neither a text nor an object with prompt, messages, text or conversations";

}  // namespace

outcome<std::unique_ptr<prompt_source>> parse_prompts(std::string_view text,
                                                      const prompt_options& options) {
  std::vector<known_prompt> prompts;
  auto first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && text[first] == '[') {
    auto json = parse_json(text, file_limits);
    if (!json) return std::move(json).error();
    for (auto& one : *json->as_array()) {
      known_prompt prompt;
      // Published ShareGPT files have conversations in which nobody asks anything.
      bool is_empty_talk = !read_prompt(one, prompt) && one.find("conversations") != nullptr;
      if (is_empty_talk) continue;
      if (prompt.turns.empty()) return wrong("an element" + std::string(expected));
      prompts.push_back(std::move(prompt));
    }
  } else {
    std::size_t number = 0;
    for (auto line : split(text, '\n')) {
      ++number;
      if (line.find_first_not_of(" \t\r") == line.npos) continue;
      auto json = parse_json(line);
      if (!json) return wrong("line " + std::to_string(number) + ": " + json.error().message);
      known_prompt prompt;
      if (!read_prompt(*json, prompt)) return wrong("line " + std::to_string(number) + expected);
      prompts.push_back(std::move(prompt));
    }
  }
  if (prompts.empty()) return wrong("there are no prompts");
  return std::unique_ptr<prompt_source>(
      std::make_unique<file_prompts>(std::move(prompts), options));
}

outcome<std::unique_ptr<prompt_source>> read_prompts(const std::filesystem::path& path,
                                                     const prompt_options& options) {
  auto text = read_file(path, max_file_bytes);
  if (!text) return std::move(text).error();
  auto prompts = parse_prompts(*text, options);
  if (prompts) return prompts;
  auto why = std::move(prompts).error();
  why.message = path.string() + ": " + why.message;
  return why;
}

}  // namespace troupe::load
