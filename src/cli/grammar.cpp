#include "cli/grammar.hpp"

#include "model/model_config.hpp"
#include "text/grammar/grammar.hpp"
#include "text/json.hpp"
#include "text/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <istream>
#include <ostream>
#include <stdexcept>
#include <string>
#include <unordered_map>

namespace troupe {
namespace {

// Deep enough for the deepest schema that is allowed, which has a limit of its own.
constexpr json_limits line_limits{.max_depth = 1'024};
constexpr std::array<std::string_view, 4> sources{"schema", "regex", "choice", "grammar"};

struct question {
  std::string_view source;  // one of `sources`
  json_value what;
  schema_options options;
  std::vector<std::string> texts;
};

grammar_refusal wrong(std::string_view field, std::string reason) {
  return refuse_grammar(error_code::invalid_argument, "", std::string(field), std::move(reason));
}

grammar_refusal wrong_type(std::string_view field, std::string_view expected,
                           const json_value& found) {
  return wrong(field,
               "must be " + std::string(expected) + ", found " + std::string(found.type_name()));
}

grammar_outcome<bool> read_flag(const json_value& line, std::string_view field) {
  const json_value* value = line.find(field);
  if (value == nullptr) return false;
  if (value->as_bool() == nullptr) return wrong_type(field, "a boolean", *value);
  return *value->as_bool();
}

grammar_outcome<std::vector<std::string>> read_texts(const json_value& line,
                                                     std::string_view field) {
  std::vector<std::string> out;
  const json_value* value = line.find(field);
  if (value == nullptr) return wrong(field, "is missing, expected an array of strings");
  if (value->as_array() == nullptr) return wrong_type(field, "an array of strings", *value);
  for (const json_value& text : *value->as_array()) {
    if (text.as_string() == nullptr) return wrong_type(field, "an array of strings", text);
    out.push_back(*text.as_string());
  }
  return out;
}

grammar_outcome<schema_options> read_options(const json_value& line) {
  schema_options out;
  const auto lenient = read_flag(line, "lenient");
  if (!lenient) return lenient.error();
  const auto strict = read_flag(line, "strict");
  if (!strict) return strict.error();
  out.lenient = *lenient;
  out.strict = *strict;
  const json_value* blanks = line.find("whitespace");
  if (blanks == nullptr) return out;
  const std::string* name = blanks->as_string();
  if (name != nullptr && *name == "compact") {
    out.whitespace = schema_options::blanks::compact;
  } else if (name != nullptr && *name == "any") {
    out.whitespace = schema_options::blanks::any;
  } else if (name == nullptr || *name != "bounded") {
    return wrong("whitespace", R"(must be "bounded", "compact" or "any")");
  }
  return out;
}

grammar_outcome<question> read_question(std::string_view text) {
  const auto line = parse_json(text, line_limits);
  if (!line) return wrong("line", line.error().message);
  if (line->as_object() == nullptr) return wrong_type("line", "an object", *line);
  question out;
  for (const std::string_view source : sources) {
    const json_value* what = line->find(source);
    if (what == nullptr) continue;
    if (!out.source.empty()) {
      return wrong(source,
                   "stands beside \"" + std::string(out.source) + "\", expected one of them");
    }
    out.source = source;
    out.what = *what;
  }
  if (out.source.empty()) {
    return wrong("schema", "is missing, and so are \"regex\", \"choice\" and \"grammar\"");
  }
  const auto options = read_options(*line);
  if (!options) return options.error();
  out.options = *options;
  auto texts = read_texts(*line, "texts");
  if (!texts) return texts.error();
  out.texts = *std::move(texts);
  return out;
}

grammar_outcome<bound_grammar> compile(const grammar_compiler& how, const question& asked) {
  if (asked.source == "schema") return how.json_schema(asked.what, asked.options);
  if (asked.source == "choice") {
    const auto texts = read_texts(json_object{{"choice", asked.what}}, "choice");
    if (!texts) return texts.error();
    return how.choice(*texts);
  }
  const std::string* text = asked.what.as_string();
  if (text == nullptr) return wrong_type(asked.source, "a string", asked.what);
  return asked.source == "regex" ? how.regex(*text) : how.grammar(*text);
}

// Times in microseconds, the whole answer's.
struct stopwatch {
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  double microseconds() const {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
        .count();
  }
};

class answerer {
 public:
  answerer(std::shared_ptr<const tokenizer> words, std::vector<token_id> eos)
      : words_(std::move(words)), eos_(std::move(eos)), how_(words_, eos_, words_->vocab_size()) {}

  json_value answer(std::string_view text) {
    const auto asked = read_question(text);
    if (!asked) return refused(asked.error(), 0);
    const stopwatch compiling;
    const auto made = compile(how_, *asked);
    const double compile_us = compiling.microseconds();
    if (!made) return refused(made.error(), compile_us);
    json_array warnings, accept;
    for (const grammar_note& note : made->warnings) warnings.push_back(note_object(note));
    std::vector<double> times;
    for (const std::string& each : asked->texts) {
      try {
        accept.emplace_back(walk(*made->constraint, each, times));
      } catch (const std::length_error& error) {
        accept.emplace_back(false);
        warnings.push_back(note_object({"", std::string(asked->source), error.what()}));
      }
    }
    return json_object{{"compiled", true},
                       {"error", nullptr},
                       {"warnings", std::move(warnings)},
                       {"accept", std::move(accept)},
                       {"mask_us", summary(times)},
                       {"compile_us", compile_us}};
  }

 private:
  static json_value note_object(const grammar_note& note) {
    return json_object{
        {"pointer", note.pointer}, {"keyword", note.keyword}, {"reason", note.reason}};
  }

  static json_value refused(const grammar_refusal& why, double compile_us) {
    return json_object{{"compiled", false},
                       {"error", note_object(why.why)},
                       {"warnings", json_array()},
                       {"compile_us", compile_us}};
  }

  static json_value summary(std::vector<double>& times) {
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) -> json_value {
      if (times.empty()) return nullptr;
      const auto rank = static_cast<std::size_t>(share * static_cast<double>(times.size()));
      return times[std::min(rank, times.size() - 1)];
    };
    return json_object{{"p50", at(0.5)}, {"p99", at(0.99)}, {"max", at(1)}};
  }

  bool walk(const token_constraint& constraint, const std::string& text,
            std::vector<double>& times) {
    const auto state = constraint.start();
    std::vector<std::uint32_t> mask((words_->vocab_size() + 31) / 32);
    const auto allows = [&](token_id token) {
      const auto i = static_cast<std::uint32_t>(token);
      return (mask[i / 32] >> (i % 32) & 1U) != 0;
    };
    const auto fill = [&] {
      const stopwatch masking;
      state->fill_mask(mask);
      times.push_back(masking.microseconds());
    };
    for (const token_id token : tokens_of(text)) {
      fill();
      if (!allows(token) || !state->accept(token)) return false;
    }
    fill();
    return std::any_of(eos_.begin(), eos_.end(), allows);
  }

  // As the model would see the text; where the tokenizer normalises it, which no answer is, the
  // longest tokens from left to right.
  std::vector<token_id> tokens_of(const std::string& text) {
    std::vector<token_id> ids = words_->encode(text, added_tokens_in_text::plain);
    std::string bytes;
    for (const token_id id : ids) bytes += words_->bytes(id);
    if (bytes == text) return ids;
    ids.clear();
    for (std::string_view rest = text; !rest.empty();) {
      const token_id id = longest_token(rest);
      if (id < 0) return words_->encode(text, added_tokens_in_text::plain);
      ids.push_back(id);
      rest.remove_prefix(words_->bytes(id).size());
    }
    return ids;
  }

  token_id longest_token(std::string_view text) {
    if (by_bytes_.empty()) {
      for (std::uint32_t i = 0; i < words_->vocab_size(); ++i) {
        const auto id = static_cast<token_id>(i);
        const std::string_view bytes = words_->bytes(id);
        if (words_->is_special(id) || words_->find_added(bytes)) continue;
        by_bytes_.emplace(bytes, id);
        longest_ = std::max(longest_, bytes.size());
      }
    }
    for (std::size_t size = std::min(longest_, text.size()); size > 0; --size) {
      const auto found = by_bytes_.find(text.substr(0, size));
      if (found != by_bytes_.end()) return found->second;
    }
    return -1;
  }

  std::shared_ptr<const tokenizer> words_;
  std::vector<token_id> eos_;
  grammar_compiler how_;
  std::unordered_map<std::string_view, token_id> by_bytes_;
  std::size_t longest_ = 0;
};

// A directory with the tokenizer alone will do: Qwen2.5 ends its answers with these.
outcome<std::vector<token_id>> read_eos(const std::filesystem::path& model_dir,
                                        const tokenizer& words) {
  const auto defaults = read_generation_defaults(model_dir);
  if (defaults) return defaults->eos_token_ids;
  if (defaults.error().code != error_code::not_found) return defaults.error();
  std::vector<token_id> out;
  for (const std::string_view name : {"<|im_end|>", "<|endoftext|>"}) {
    if (const auto id = words.find_added(name)) out.push_back(*id);
  }
  if (out.empty()) return defaults.error();
  return out;
}

}  // namespace

int run_grammar(const std::filesystem::path& model_dir, std::istream& in, std::ostream& out,
                std::ostream& err) {
  auto words = tokenizer::load(model_dir);
  if (!words) {
    err << words.error().message << '\n';
    return 1;
  }
  auto shared = std::make_shared<const tokenizer>(*std::move(words));
  const auto eos = read_eos(model_dir, *shared);
  if (!eos) {
    err << eos.error().message << '\n';
    return 1;
  }
  answerer answers(std::move(shared), *eos);
  std::string line, reply;
  while (std::getline(in, line)) {
    reply.clear();
    append_json(reply, answers.answer(line));
    out << reply << '\n' << std::flush;
  }
  return 0;
}

}  // namespace troupe
