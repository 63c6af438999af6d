#include "text/grammar/regex.hpp"

#include "text/grammar/char_class.hpp"
#include "text/utf8.hpp"

#include <array>
#include <optional>

namespace troupe::grammar {
namespace {

constexpr std::uint32_t max_repeat = 65'536;
constexpr int max_depth = 100;
constexpr std::size_t max_bytes = 8'192;  // derivatives recurse as deep as a pattern is long

// The words of an expression by what they demand of their surroundings: bit 0, that the text begins
// with them (^), bit 1, that it ends with them ($).
struct anchored {
  std::array<language, 4> parts{no_word, no_word, no_word, no_word};
  bool is_free() const { return parts[1] == no_word && parts[2] == no_word && parts[3] == no_word; }
};

anchored free_words(language words) { return {{words, no_word, no_word, no_word}}; }

class regex_parser {
 public:
  regex_parser(language_pool& pool, std::string_view text) : pool_(pool), text_(text) {}

  outcome<anchored> parse() {
    if (text_.size() > max_bytes) {
      return failure{error_code::too_large, "is longer than 8,192 bytes", ""};
    }
    if (!is_utf8(text_)) return failure{error_code::invalid_argument, "is not valid UTF-8", ""};
    auto words = alternatives();
    if (words && at_ < text_.size()) refuse("has a ) without its (");
    if (!why_.empty()) return failure{code_, why_, ""};
    if (pool_.is_exhausted()) {
      return failure{error_code::too_large, "needs too many automaton states", ""};
    }
    return *words;
  }

 private:
  using parsed = std::optional<anchored>;

  std::nullopt_t refuse(std::string why, error_code code = error_code::invalid_argument) {
    if (why_.empty()) {
      why_ = std::move(why);
      code_ = code;
    }
    return std::nullopt;
  }
  std::nullopt_t unsupported(std::string what) {
    return refuse("uses " + what + ", which cannot be enforced", error_code::unsupported);
  }

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  char32_t take_char() {
    const utf8_char c = read_utf8(text_, at_);
    at_ += c.num_bytes;
    return c.code_point;
  }

  anchored join(const anchored& a, const anchored& b) {
    anchored out;
    for (std::size_t i = 0; i < 4; ++i) {
      out.parts[i] = pool_.any_of({a.parts[i], b.parts[i]});
    }
    return out;
  }

  language only_empty(language a) { return pool_.has_empty_word(a) ? empty_word : no_word; }

  // A demand for the beginning leaves nothing before it, one for the end nothing after it.
  anchored follow(const anchored& a, const anchored& b) {
    anchored out;
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        language left = a.parts[i], right = b.parts[j];
        if (left == no_word || right == no_word) continue;
        if ((j & 1U) != 0) left = only_empty(left);
        if ((i & 2U) != 0) right = only_empty(right);
        language& sum = out.parts[i | j];
        sum = pool_.any_of({sum, pool_.concat(left, right)});
      }
    }
    return out;
  }

  parsed repeated(const anchored& a, std::uint32_t min, std::uint32_t max) {
    if (a.is_free()) return free_words(pool_.repeat(a.parts[0], min, max));
    if (min > 1) return unsupported("an anchor inside a counted repeat");
    anchored out = a;
    if (max > 1) {
      const anchored middle = free_words(pool_.repeat(a.parts[0], 0, max == unbounded ? max : 0));
      if (max != unbounded) return unsupported("an anchor inside a counted repeat");
      const anchored edge = join(a, free_words(empty_word));
      out = join(a, follow(a, follow(middle, edge)));
    }
    return min == 0 ? join(out, free_words(empty_word)) : out;
  }

  parsed alternatives() {
    if (++depth_ > max_depth) return refuse("is nested too deeply", error_code::too_large);
    parsed all = sequence();
    while (all && take("|")) {
      const parsed next = sequence();
      if (!next) return std::nullopt;
      all = join(*all, *next);
    }
    --depth_;
    return all;
  }

  parsed sequence() {
    std::vector<anchored> parts;
    while (!at_end() && peek() != '|' && peek() != ')') {
      const parsed part = term();
      if (!part) return std::nullopt;
      parts.push_back(*part);
    }
    anchored out = free_words(empty_word);
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) out = follow(*part, out);
    return out;
  }

  parsed term() {
    if (take("^")) return no_quantifier({{no_word, empty_word, no_word, no_word}});
    if (take("$")) return no_quantifier({{no_word, no_word, empty_word, no_word}});
    const parsed part = atom();
    if (!part) return std::nullopt;
    return quantified(*part);
  }

  parsed no_quantifier(anchored anchor) {
    if (peek() == '*' || peek() == '+' || peek() == '?') return refuse("repeats an anchor");
    return anchor;
  }

  parsed quantified(const anchored& part) {
    std::uint32_t min = 1, max = 1;
    if (take("*")) {
      min = 0;
      max = unbounded;
    } else if (take("+")) {
      max = unbounded;
    } else if (take("?")) {
      min = 0;
    } else if (peek() == '{') {
      if (!counts(min, max)) return std::nullopt;
    } else {
      return part;
    }
    take("?");  // lazy or greedy, the words are the same
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') {
      return refuse("has nothing to repeat at byte " + std::to_string(at_));
    }
    return repeated(part, min, max);
  }

  bool number(std::uint32_t& out) {
    const std::size_t begin = at_;
    for (out = 0; peek() >= '0' && peek() <= '9'; ++at_) {
      out = out * 10 + static_cast<std::uint32_t>(peek() - '0');
      if (out > max_repeat) {
        refuse("repeats more than " + std::to_string(max_repeat) + " times", error_code::too_large);
        return false;
      }
    }
    return at_ > begin;
  }

  bool counts(std::uint32_t& min, std::uint32_t& max) {
    ++at_;
    const bool has_min = number(min);
    max = min;
    if (has_min && take(",") && !number(max)) max = unbounded;
    if (has_min && why_.empty() && take("}") && min <= max) return true;
    refuse("has a malformed {} at byte " + std::to_string(at_));
    return false;
  }

  parsed atom() {
    if (take("(")) return group();
    if (take("[")) return set_of(char_class());
    if (take(".")) return set_of(complement(line_ends(), last_code_point));
    if (take("\\")) return escape();
    const char c = peek();
    if (c == '*' || c == '+' || c == '?' || c == '{') {
      return refuse("has nothing to repeat at byte " + std::to_string(at_));
    }
    const char32_t code_point = take_char();  // a lone ] or } stands for itself, as browsers do
    return set_of(symbol_set{{code_point, code_point}});
  }

  parsed set_of(const std::optional<symbol_set>& ranges) {
    if (!ranges) return std::nullopt;
    return free_words(pool_.set(without_halves(*ranges)));
  }

  // No text holds half a surrogate pair, so that a set of nothing else would be a dead end. What
  // goes over all of them stays as it is: it has neighbours on both sides.
  static symbol_set without_halves(const symbol_set& ranges) {
    constexpr symbol first = 0xD800, last = 0xDFFF;
    symbol_set out;
    for (const symbol_range& range : ranges) {
      const bool goes_over = range.low < first && range.high > last;
      if (goes_over || range.high < first || range.low > last) {
        out.push_back(range);
        continue;
      }
      if (range.low < first) out.push_back({range.low, first - 1});
      if (range.high > last) out.push_back({last + 1, range.high});
    }
    return out;
  }

  parsed group() {
    if (take("?")) {
      if (peek() == '=' || peek() == '!') return unsupported("look-ahead");
      if (text_.substr(at_).starts_with("<=") || text_.substr(at_).starts_with("<!")) {
        return unsupported("look-behind");
      }
      if (take("<")) {
        while (!at_end() && peek() != '>') ++at_;
        if (!take(">")) return refuse("has an unclosed group name");
      } else if (!take(":")) {
        return refuse("has an unknown group at byte " + std::to_string(at_));
      }
    }
    const parsed inner = alternatives();
    if (inner && !take(")")) return refuse("has a ( without its )");
    return inner;
  }

  parsed escape() {
    const char c = peek();
    if (at_end()) return refuse("ends with a backslash");
    if (c == 'b' || c == 'B') return unsupported("a word border");
    if ((c >= '1' && c <= '9') || c == 'k') return unsupported("a back reference");
    return set_of(class_escape());
  }

  // What may stand after a backslash, within a class and outside.
  std::optional<symbol_set> class_escape() {
    if (at_end()) return refuse("ends with a backslash");
    if (peek() == 'p' || peek() == 'P') return property();
    const char32_t c = take_char();
    if (auto named = named_class(c)) return named;
    if (c == 'c') {
      const char letter = static_cast<char>(peek() | 0x20);
      if (letter < 'a' || letter > 'z') return refuse("has a malformed \\c");
      ++at_;
      const auto control = static_cast<symbol>(letter - 'a' + 1);
      return symbol_set{{control, control}};
    }
    if (c == 'x' || c == 'u') return hex_escape(c == 'x' ? 2 : 4);
    if (c == '0' && (peek() < '0' || peek() > '9')) return symbol_set{{0, 0}};
    const bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_word) return refuse("has the unknown escape \\" + std::string(1, static_cast<char>(c)));
    return symbol_set{{c, c}};
  }

  std::optional<symbol_set> property() {
    const bool negative = take_char() == 'P';
    const std::size_t end = text_.find('}', at_);
    if (peek() != '{' || end == std::string_view::npos) return refuse("has a malformed \\p");
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    auto ranges = property_class(name);
    if (!ranges) {
      return unsupported("the character property " + std::string(name));
    }
    return negative ? complement(*ranges, last_code_point) : *ranges;
  }

  std::optional<symbol> hex_digits(std::size_t least, std::size_t most) {
    symbol value = 0;
    std::size_t count = 0;
    for (; count < most && !at_end(); ++count, ++at_) {
      const int digit = hex_digit(peek());
      if (digit < 0) break;
      value = value * 16 + static_cast<symbol>(digit);
    }
    if (count < least || value > last_code_point) return refuse("has a malformed \\x or \\u");
    return value;
  }

  std::optional<symbol_set> hex_escape(std::size_t digits) {
    const bool braces = digits == 4 && take("{");
    auto value = braces ? hex_digits(1, 6) : hex_digits(digits, digits);
    if (!value) return std::nullopt;
    if (braces && !take("}")) return refuse("has a malformed \\u");
    if (*value >= 0xD800 && *value < 0xDC00 && take("\\u")) {
      const auto low = hex_digits(4, 4);
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return refuse("has half a surrogate pair");
      value = 0x10000 + ((*value - 0xD800) << 10U) + (*low - 0xDC00);
    }
    return symbol_set{{*value, *value}};
  }

  // After the opening bracket.
  std::optional<symbol_set> char_class() {
    const bool negative = take("^");
    symbol_set all;
    while (peek() != ']') {
      if (at_end()) return refuse("has a [ without its ]");
      auto low = class_member();
      if (!low) return std::nullopt;
      const bool is_range = peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (is_range) {
        ++at_;
        const auto high = class_member();
        if (!high) return std::nullopt;
        if (!is_single(*low) || !is_single(*high) || (*low)[0].low > (*high)[0].low) {
          return refuse("has a malformed range in a class");
        }
        low = symbol_set{{(*low)[0].low, (*high)[0].low}};
      }
      all.insert(all.end(), low->begin(), low->end());
    }
    ++at_;
    all = normalised(std::move(all));
    return negative ? complement(all, last_code_point) : all;
  }

  static bool is_single(const symbol_set& ranges) {
    return ranges.size() == 1 && ranges[0].low == ranges[0].high;
  }

  std::optional<symbol_set> class_member() {
    if (!take("\\")) {
      const char32_t c = take_char();
      return symbol_set{{c, c}};
    }
    if (take("b")) return symbol_set{{8, 8}};
    if (take("-")) return symbol_set{{'-', '-'}};
    return class_escape();
  }

  language_pool& pool_;
  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::string why_;
  error_code code_ = error_code::invalid_argument;
};

}  // namespace

outcome<language> search_language(language_pool& pool, std::string_view pattern) {
  const auto words = regex_parser(pool, pattern).parse();
  if (!words) return words.error();
  const language any = pool.text();
  const auto& parts = words->parts;
  if (pool.has_empty_word(parts[0])) return any;  // it is found in every text
  return pool.any_of({pool.concat({any, parts[0], any}), pool.concat(parts[1], any),
                      pool.concat(any, parts[2]), parts[3]});
}

outcome<language> match_language(language_pool& pool, std::string_view pattern) {
  const auto words = regex_parser(pool, pattern).parse();
  if (!words) return words.error();
  const auto& parts = words->parts;
  return pool.any_of({parts[0], parts[1], parts[2], parts[3]});
}

}  // namespace troupe::grammar
