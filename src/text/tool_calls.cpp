#include "text/tool_calls.hpp"

#include "text/json.hpp"
#include "text/json_unescaper.hpp"

#include <utility>

namespace troupe {
namespace {

constexpr std::string_view open_tag = "<tool_call>";
constexpr std::string_view close_tag = "</tool_call>";
// No JSON string has a raw line end, so one with this in it will never be closed.
constexpr std::string_view close_line = "\n</tool_call>";

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

bool is_of_scalar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '+' || c == '.';
}

}  // namespace

// Every read_ function takes one byte in the place of its name. It returns false when the byte is
// to be looked at again, in the place where it left off.
struct tool_call_parser::state {
  using progress = json_unescaper::progress;
  enum class place : std::uint8_t {
    content,      // outside of every call
    object,       // before the call's {
    key_quote,    // before the " of a key
    key,          // inside of it
    colon,        // after it
    value,        // before the first byte of a member's value
    name,         // inside the function's name
    nested,       // inside an object, an array or a string that is kept or skipped as it stands
    unquoted,     // inside arguments that are a string
    scalar,       // inside a number or a literal
    after_value,  // before , or }
    after_call,   // between the call's end and its tag
  };

  void read(char c) {
    for (bool is_read = false; !is_read;) {
      const bool is_inside = place_ != place::content && place_ != place::after_call;
      is_read = step(c);
      if (is_read && is_inside && !is_announced_) block_ += c;
    }
  }

  void finish() {
    switch (place_) {
      case place::content: break;
      case place::after_call: replay_rest(); break;
      default: finish_block();
    }
    if (num_tag_bytes_ > 0) {
      add_blanks();
      add_content(open_tag.substr(0, num_tag_bytes_));
    } else if (!is_after_call_) {
      add_blanks();
    }
  }

  std::vector<tool_delta> deltas;
  std::uint32_t num_calls = 0;

 private:
  bool step(char c) {
    switch (place_) {
      case place::content: return read_content(c);
      case place::object: return expect(c, '{', place::key_quote);
      case place::key_quote: return read_key_quote(c);
      case place::key: return read_key(c);
      case place::colon: return expect(c, ':', place::value);
      case place::value: return read_value(c);
      case place::name: return read_name(c);
      case place::nested: return is_in_string_ ? read_string(c) : read_nested(c);
      case place::unquoted: return read_unquoted(c);
      case place::scalar: return read_scalar(c);
      case place::after_value: return read_after_value(c);
      case place::after_call: return read_after_call(c);
    }
    return true;
  }

  // --- Outside of calls ---

  bool read_content(char c) {
    if (c == open_tag[num_tag_bytes_]) {
      if (++num_tag_bytes_ == open_tag.size()) begin_block();
      return true;
    }
    if (num_tag_bytes_ > 0) {
      add_blanks();
      add_content(open_tag.substr(0, std::exchange(num_tag_bytes_, 0)));
      return false;
    }
    if (is_blank(c)) {
      blanks_ += c;
      return true;
    }
    add_blanks();
    add_content({&c, 1});
    return true;
  }

  void add_content(std::string_view text) {
    if (text.empty()) return;
    has_content_ = true;
    if (deltas.empty() || deltas.back().call_idx) deltas.emplace_back();
    deltas.back().text += text;
  }

  // After a call they part its content from what came before, if something did.
  void add_blanks() {
    if (!is_after_call_ || has_content_) add_content(blanks_);
    blanks_.clear();
    is_after_call_ = false;
  }

  // --- Inside of a call's object ---

  void begin_block() {
    num_tag_bytes_ = 0;
    place_ = place::object;
    is_announced_ = has_arguments_ = false;
    block_ = open_tag;
    name_.clear();
    arguments_.clear();
  }

  // What cannot go on as a call: content if it was none yet.
  bool reject() {
    if (is_announced_) {
      place_ = place::after_call;
      return false;
    }
    add_blanks();
    add_content(block_);
    place_ = place::content;
    return false;
  }

  bool expect(char c, char wanted, place next) {
    if (is_blank(c)) return true;
    if (c != wanted) return reject();
    place_ = next;
    return true;
  }

  bool read_key_quote(char c) {
    begin_string();
    return expect(c, '"', place::key);
  }

  void begin_string() {
    word_.clear();
    unescape_ = {};
  }

  bool read_key(char c) {
    const auto now = unescape_.push(c, word_);
    if (now == progress::malformed) return reject();
    if (now == progress::ended) place_ = place::colon;
    return true;
  }

  bool read_value(char c) {
    if (is_blank(c)) return true;
    if (word_ == "name" && !is_announced_) {
      begin_string();
      return expect(c, '"', place::name);
    }
    is_kept_ = (word_ == "arguments" || word_ == "parameters") && !has_arguments_;
    has_arguments_ = has_arguments_ || is_kept_;
    const bool is_string = c == '"';
    if (is_string || c == '{' || c == '[') {
      if (is_kept_ && !name_.empty()) announce();
      begin_string();
      place_ = is_string && is_kept_ ? place::unquoted : place::nested;
      depth_ = is_string ? 0 : 1;
      is_in_string_ = is_string;
      is_escaped_ = has_text_ = false;
      if (!is_string) keep({&c, 1});
      return true;
    }
    if (!is_of_scalar(c)) return reject();
    word_ = c;
    place_ = place::scalar;
    return true;
  }

  bool read_name(char c) {
    const auto now = unescape_.push(c, word_);
    const bool is_empty = now == progress::ended && word_.empty();
    if (now == progress::malformed || is_empty) return reject();
    if (now == progress::inside) return true;
    name_ = word_;
    if (has_arguments_) announce();
    place_ = place::after_value;
    return true;
  }

  // Only brackets and strings count: where the value ends, not whether it is well formed.
  bool read_nested(char c) {
    if (c == '<') return reject();
    if (c == '"') is_in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') --depth_;
    keep({&c, 1});
    if (depth_ == 0) place_ = place::after_value;
    return true;
  }

  bool read_string(char c) {
    if (num_line_bytes_ > 0) {
      if (c == close_line[num_line_bytes_]) return read_close_line();
      keep(close_line.substr(0, std::exchange(num_line_bytes_, 0)));
    }
    if (c == '\n') {
      num_line_bytes_ = 1;
      return true;
    }
    keep({&c, 1});
    if (c == '"' && !is_escaped_) {
      is_in_string_ = false;
      if (depth_ == 0) place_ = place::after_value;
    }
    is_escaped_ = c == '\\' && !is_escaped_;
    return true;
  }

  bool read_close_line() {
    if (++num_line_bytes_ < close_line.size()) return true;
    num_line_bytes_ = 0;
    if (!is_announced_) return reject();
    end_call();
    return true;
  }

  bool read_unquoted(char c) {
    word_.clear();
    const auto now = unescape_.push(c, word_);
    has_text_ = has_text_ || !word_.empty();
    keep(word_);
    if (now == progress::malformed) return reject();
    if (now == progress::inside) return true;
    if (!has_text_) keep("{}");
    place_ = place::after_value;
    return true;
  }

  bool read_scalar(char c) {
    if (is_of_scalar(c)) {
      word_ += c;
      return true;
    }
    if (!parse_json(word_)) return reject();
    place_ = place::after_value;
    end_scalar();
    return false;
  }

  void end_scalar() {
    if (!is_kept_) return;
    if (!name_.empty()) announce();
    keep(word_ == "null" ? "{}" : word_);
  }

  bool read_after_value(char c) {
    if (c != '}') return expect(c, ',', place::key_quote);
    if (name_.empty()) return reject();
    if (!is_announced_) {
      announce();
      is_kept_ = true;
      keep("{}");
    }
    place_ = place::after_call;
    return true;
  }

  // --- Calls ---

  void announce() {
    is_announced_ = true;
    blanks_.clear();
    block_.clear();
    deltas.push_back({.call_idx = num_calls++, .name = name_, .text = std::move(arguments_)});
    arguments_.clear();
  }

  void keep(std::string_view text) {
    if (!is_kept_ || text.empty()) return;
    if (!is_announced_) {
      arguments_ += text;
      return;
    }
    const auto idx = num_calls - 1;
    if (deltas.empty() || deltas.back().call_idx != idx) deltas.push_back({.call_idx = idx});
    deltas.back().text += text;
  }

  void end_call() {
    place_ = place::content;
    is_after_call_ = true;
    rest_.clear();
    tag_.clear();
  }

  // Closing brackets too many mean nothing, and neither does anything else before the closing tag.
  // Without such a tag it is content.
  bool read_after_call(char c) {
    tag_ += c;
    if (tag_ == close_tag) {
      end_call();
      return true;
    }
    if (tag_ == open_tag) {
      replay_rest();
      return true;
    }
    if (close_tag.starts_with(tag_) || open_tag.starts_with(tag_)) return true;
    tag_.pop_back();
    if (!tag_.empty()) {
      rest_ += std::exchange(tag_, {});
      return false;
    }
    const bool is_nothing = is_blank(c) || c == '}' || c == ']';
    if (!rest_.empty() || !is_nothing) rest_ += c;
    return true;
  }

  // The next call's tag may be the end of it.
  void replay_rest() {
    const std::string rest = std::exchange(rest_, {}) + tag_;
    end_call();
    for (const char c : rest) {
      while (!read_content(c)) continue;
    }
  }

  // The answer ends inside of a call.
  void finish_block() {
    if (!is_announced_ && name_.empty()) {
      reject();
      return;
    }
    if (place_ == place::scalar) end_scalar();
    if (!is_announced_) announce();
    keep(close_line.substr(0, num_line_bytes_));
    is_after_call_ = true;
  }

  place place_ = place::content;
  std::string blanks_;             // before what may become a tag, or after a call
  std::size_t num_tag_bytes_ = 0;  // of an opening tag
  bool has_content_ = false;
  bool is_after_call_ = false;  // nothing but blanks since the last call

  std::string block_;          // the bytes of a call until it is announced
  bool is_announced_ = false;  // its name went out
  std::string name_;
  bool has_arguments_ = false;
  std::string arguments_;  // until it is announced

  std::string word_;  // the key, the name or the scalar at hand
  json_unescaper unescape_;
  bool is_kept_ = false;            // the value at hand is the arguments
  std::size_t depth_ = 0;           // open brackets of the value at hand
  bool is_in_string_ = false;       // of that value
  bool is_escaped_ = false;         // by a backslash in that string
  bool has_text_ = false;           // unquoted arguments are not empty
  std::size_t num_line_bytes_ = 0;  // of close_line, in that string

  std::string rest_;  // after the call's object, from the first byte on that may mean something
  std::string tag_;   // the beginning of a tag after it
};

tool_call_parser::tool_call_parser() : state_(std::make_unique<state>()) {}
tool_call_parser::~tool_call_parser() = default;
tool_call_parser::tool_call_parser(tool_call_parser&&) noexcept = default;
tool_call_parser& tool_call_parser::operator=(tool_call_parser&&) noexcept = default;

std::vector<tool_delta> tool_call_parser::push(std::string_view text) {
  for (const char c : text) state_->read(c);
  return std::exchange(state_->deltas, {});
}

std::vector<tool_delta> tool_call_parser::finish() {
  state_->finish();
  return std::exchange(state_->deltas, {});
}

std::uint32_t tool_call_parser::num_calls() const { return state_->num_calls; }

}  // namespace troupe
