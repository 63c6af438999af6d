#include "text/grammar/ebnf_parser.hpp"

#include "text/grammar/char_class.hpp"
#include "text/utf8.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace troupe::grammar {
namespace {

using kind = ebnf_expression::kind;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class ebnf_reader {
 public:
  explicit ebnf_reader(std::string_view text) : text_(text) {}

  grammar_outcome<ebnf_grammar> read() {
    if (text_.size() > ebnf_limits::source_bytes) {
      return refuse_grammar(error_code::too_large, "", "grammar", "is longer than 256 KiB");
    }
    const std::size_t ill = find_ill_formed_utf8(text_);
    if (ill < text_.size()) {
      text_ = text_.substr(0, ill);
      fail(ill, "expected valid UTF-8");
    }
    skip_blanks();
    while (!why_ && !at_end()) rule();
    if (!why_) check();
    if (why_) return *why_;
    return std::move(out_);
  }

 private:
  using parsed = std::optional<ebnf_expression>;

  std::nullopt_t fail(std::size_t at, const std::string& what,
                      error_code code = error_code::invalid_argument) {
    if (!why_) why_ = refuse_grammar(code, "", "grammar", place(at) + ": " + what);
    return std::nullopt;
  }

  // Lines and columns count from 1; a column is a character.
  std::string place(std::size_t at) const {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i < at; ++i) {
      const char c = text_[i];
      if (c == '\n' || (c == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n'))) {
        ++line;
        column = 1;
      } else if (!is_utf8_continuation(c)) {
        ++column;
      }
    }
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
  }

  // What stands at a place, as an error shows it.
  std::string seen(std::size_t at) const {
    if (at >= text_.size()) return "the end";
    if (text_[at] == '\n' || text_[at] == '\r') return "the end of the line";
    return std::string(text_.substr(at, read_utf8(text_, at).num_bytes));
  }
  std::nullopt_t expected(const std::string& what) {
    return fail(at_, "expected " + what + ", found " + seen(at_));
  }

  bool at_end() const { return at_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  // Blanks, line ends and comments.
  void skip_blanks() {
    for (; !at_end(); ++at_) {
      const char c = peek();
      if (c == '#') {
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
        if (at_end()) return;
      } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
        return;
      }
    }
  }

  std::string_view take_name() {
    const std::size_t begin = at_;
    while (!at_end() && is_name(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // Whether the next name is that of a new rule and not a part of this one.
  bool begins_rule() {
    const std::size_t begin = at_;
    std::size_t before = begin;
    while (before > 0 && (text_[before - 1] == ' ' || text_[before - 1] == '\t')) --before;
    if (before > 0 && text_[before - 1] != '\n' && text_[before - 1] != '\r') return false;
    const bool named = !take_name().empty();
    skip_blanks();
    const bool out = named && text_.substr(at_).starts_with("::=");
    at_ = begin;
    return out;
  }

  ebnf_index rule_of(std::string_view name, std::size_t at) {
    const auto [found, fresh] =
        known_.emplace(std::string(name), static_cast<ebnf_index>(out_.rules.size()));
    if (fresh) {
      out_.rules.push_back({std::string(name), {}});
      mentioned_.push_back(at);
      defined_.push_back(no_place);
      if (out_.rules.size() > ebnf_limits::rules) {
        fail(at, "there are more than 10,000 rules", error_code::too_large);
      }
    }
    return found->second;
  }

  void rule() {
    const std::size_t begin = at_;
    const std::string_view name = take_name();
    if (name.empty()) {
      expected("the name of a rule");
      return;
    }
    skip_blanks();
    if (!take("::=")) {
      expected("::= after the rule's name");
      return;
    }
    const ebnf_index index = rule_of(name, begin);
    if (defined_[index] != no_place) {
      fail(begin,
           "rule " + std::string(name) + " is defined again, first at " + place(defined_[index]));
      return;
    }
    defined_[index] = begin;
    auto body = choice();
    if (!body) return;
    out_.rules[index].body = *std::move(body);
    if (!at_end() && !begins_rule()) expected("an element, | or a new rule");
  }

  void check() {
    for (std::size_t i = 0; i < out_.rules.size(); ++i) {
      if (defined_[i] != no_place) continue;
      fail(mentioned_[i], "rule " + out_.rules[i].name + " is not defined");
      return;
    }
    const auto root = known_.find("root");
    if (root == known_.end()) {
      why_ = refuse_grammar(error_code::invalid_argument, "", "grammar",
                            "has no rule named root, with which every answer begins");
      return;
    }
    out_.root = root->second;
  }

  static ebnf_expression join(kind what, std::vector<ebnf_expression> parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    ebnf_expression out;
    if (parts.empty()) return out;  // the empty word
    out.what = what;
    for (const ebnf_expression& part : parts) out.depth = std::max(out.depth, part.depth + 1);
    out.parts = std::move(parts);
    return out;
  }

  // x{a,b}{c,d} is one repeat where the counts leave no gap.
  static bool join_repeats(const ebnf_expression& inner, ebnf_expression& outer) {
    const std::uint64_t a = inner.min, b = inner.max, c = outer.min, d = outer.max;
    const bool whole = c == d || (c == 0 ? a <= 1 : b == unbounded || (c + 1) * a <= c * b + 1);
    const bool endless = (b == unbounded && d > 0) || (d == unbounded && b > 0);
    if (!whole || a * c >= unbounded || (!endless && b * d >= unbounded)) return false;
    outer.min = static_cast<std::uint32_t>(a * c);
    outer.max = endless ? unbounded : static_cast<std::uint32_t>(b * d);
    return true;
  }

  parsed choice() {
    std::vector<ebnf_expression> parts;
    do {
      parsed next = sequence();
      if (!next) return std::nullopt;
      parts.push_back(*std::move(next));
    } while (take("|"));
    return join(kind::choice, std::move(parts));
  }

  parsed sequence() {
    std::vector<ebnf_expression> parts;
    for (skip_blanks(); !at_end() && peek() != '|' && peek() != ')'; skip_blanks()) {
      if (depth_ == 0 && begins_rule()) break;
      parsed next = element();
      for (skip_blanks(); next && is_repeat(); skip_blanks()) next = repeated(*std::move(next));
      if (!next) return std::nullopt;
      parts.push_back(*std::move(next));
    }
    return join(kind::sequence, std::move(parts));
  }

  bool is_repeat() const {
    return peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{';
  }

  parsed element() {
    const std::size_t begin = at_;
    const char c = peek();
    if (c == '"' || c == '\'') return literal();
    if (take("[")) return char_class(begin);
    if (take(".")) return set_of({{0, last_code_point}});
    if (take("(")) return group(begin);
    if (c == '<' || c == '!') {
      return fail(at_, "tokens as <name> or !<name> are not supported, only text",
                  error_code::unsupported);
    }
    if (is_repeat()) return fail(at_, std::string("expected an element before ") + c);
    const std::string_view name = take_name();
    if (name.empty()) {
      if (depth_ == 0 && text_.substr(at_).starts_with("::=")) {
        return fail(at_, "expected the name before ::= to be the first of its line");
      }
      return expected("an element");
    }
    if (peek() == '(' && (name.ends_with("Dispatch") || name.ends_with("Token"))) {
      return fail(begin, "the macro " + std::string(name) + " is not supported",
                  error_code::unsupported);
    }
    ebnf_expression out;
    out.what = kind::rule;
    out.rule = rule_of(name, begin);
    if (why_) return std::nullopt;
    return out;
  }

  parsed group(std::size_t begin) {
    if (peek() == '=') {
      return fail(begin, "look-ahead as (= ) is not supported", error_code::unsupported);
    }
    if (++depth_ > ebnf_limits::groups) {
      return fail(begin, "groups are nested deeper than 256", error_code::too_large);
    }
    parsed inner = choice();
    --depth_;
    if (inner && !take(")")) return expected("the ) of the ( at " + place(begin));
    return inner;
  }

  parsed literal() {
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    ebnf_expression out;
    while (peek() != quote || at_end()) {
      if (at_end()) return fail(begin, std::string("expected a closing ") + quote);
      const auto c = character();
      if (!c) return std::nullopt;
      out.word += *c;
    }
    ++at_;
    if (out.word.size() > ebnf_limits::literal_characters) {
      return fail(begin, "the literal is longer than 8,192 characters", error_code::too_large);
    }
    return out;
  }

  static ebnf_expression set_of(symbol_set ranges) {
    ebnf_expression out;
    out.what = kind::set;
    out.set = std::move(ranges);
    return out;
  }

  // One character of a literal or a class, perhaps escaped.
  std::optional<char32_t> character() {
    if (peek() != '\\') {
      const utf8_char c = read_utf8(text_, at_);
      at_ += c.num_bytes;
      return c.code_point;
    }
    const std::size_t begin = at_++;
    const char c = peek();
    constexpr std::string_view letters = "nrtbfave0", themselves = R"("'\/?[]-^$.*+(){}|)";
    constexpr std::string_view meanings{"\n\r\t\b\f\a\v\x1B\0", 9};
    if (!at_end() && themselves.find(c) != std::string_view::npos) {
      ++at_;
      return static_cast<char32_t>(c);
    }
    const std::size_t letter = at_end() ? std::string_view::npos : letters.find(c);
    if (letter != std::string_view::npos) {
      ++at_;
      return static_cast<char32_t>(meanings[letter]);
    }
    if (c == 'x' || c == 'u' || c == 'U') return hex(begin, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    const bool is_class = std::string_view("dDsSwW").find(c) != std::string_view::npos && !at_end();
    return fail(begin, is_class ? "expected ranges: there is no class \\" + std::string(1, c)
                                : "expected a known escape, found \\" + seen(at_));
  }

  std::optional<char32_t> hex(std::size_t begin, int count) {
    std::uint64_t value = 0;
    ++at_;
    for (int i = 0; i < count; ++i, ++at_) {
      const int digit = hex_digit(peek());
      if (digit < 0) return expected(std::to_string(count) + " hexadecimal digits");
      value = value * 16 + static_cast<std::uint64_t>(digit);
    }
    if (value > last_code_point) return fail(begin, "expected a code point up to U+10FFFF");
    if (value >= 0xD800 && value <= 0xDFFF) {
      return fail(begin, "expected a character, found half a surrogate pair");
    }
    return static_cast<char32_t>(value);
  }

  // After the opening bracket.
  parsed char_class(std::size_t begin) {
    const bool negative = take("^");
    symbol_set all;
    while (peek() != ']') {
      if (at_end()) return fail(begin, "expected a closing ]");
      const std::size_t first = at_;
      const auto low = character();
      if (!low) return std::nullopt;
      auto high = low;
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        high = character();
        if (!high) return std::nullopt;
        if (*high < *low) return fail(first, "expected the end of a range after its beginning");
      }
      all.push_back({*low, *high});
    }
    ++at_;
    all = normalised(std::move(all));
    if (negative) all = complement(all, last_code_point);
    const bool some = std::any_of(all.begin(), all.end(), [](const symbol_range& range) {
      return range.low < 0xD800 || range.high > 0xDFFF;
    });
    if (!some) return fail(begin, "expected a class with a character in it");
    return set_of(std::move(all));
  }

  parsed repeated(ebnf_expression part) {
    const std::size_t begin = at_;
    ebnf_expression out;
    out.what = kind::repeat;
    const char c = text_[at_++];
    if (c == '{') {
      if (!counts(out, begin)) return std::nullopt;
    } else {
      out.min = c == '+' ? 1 : 0;
      out.max = c == '?' ? 1 : unbounded;
    }
    if (part.what == kind::repeat && join_repeats(part, out)) {
      out.parts = std::move(part.parts);
    } else {
      out.parts.push_back(std::move(part));
    }
    out.depth = out.parts[0].depth + 1;
    if (out.depth > ebnf_limits::depth) {
      return fail(begin, "groups and repeats are nested deeper than 512", error_code::too_large);
    }
    return out;
  }

  bool number(std::uint32_t& out) {
    skip_blanks();
    const std::size_t begin = at_;
    for (out = 0; is_digit(peek()); ++at_) {
      out = out * 10 + static_cast<std::uint32_t>(peek() - '0');
      if (out > ebnf_limits::repeats) {
        fail(begin, "a repeat counts higher than 65,536", error_code::too_large);
        return false;
      }
    }
    const bool some = at_ > begin;
    skip_blanks();
    return some;
  }

  bool counts(ebnf_expression& out, std::size_t begin) {
    if (!number(out.min)) {
      expected("a number after {");
      return false;
    }
    out.max = out.min;
    if (take(",") && !number(out.max)) out.max = unbounded;
    if (why_) return false;
    if (!take("}")) {
      expected("the } of {m}, {m,} or {m,n}");
      return false;
    }
    if (out.max < out.min) fail(begin, "expected {m,n} with n no less than m");
    return !why_;
  }

  static constexpr std::size_t no_place = std::string_view::npos;

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  ebnf_grammar out_;
  std::map<std::string, ebnf_index, std::less<>> known_;
  std::vector<std::size_t> mentioned_, defined_;  // by rule: where first
  std::optional<grammar_refusal> why_;
};

}  // namespace

grammar_outcome<ebnf_grammar> parse_ebnf(std::string_view source) {
  return ebnf_reader(source).read();
}

}  // namespace troupe::grammar
