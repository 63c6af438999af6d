#include "text/pre_tokenizer.hpp"

#include "text/unicode.hpp"

namespace troupe {
namespace {

constexpr char32_t long_s = 0x17F;  // folds to s, so that (?i:'s) matches it

class piece_scanner {
 public:
  explicit piece_scanner(std::string_view text) : text_(text), table_(unicode_table::get()) {}

  std::size_t find_end(std::size_t begin) const {
    if (text_[begin] == '\'') {
      if (const std::size_t end = match_contraction(begin + 1)) return end;
    }
    const place first = look(begin);
    switch (first.kind) {
      case char_kind::letter: return skip(first.end, char_kind::letter);
      case char_kind::number: return first.end;
      default: break;
    }
    if (first.end < text_.size()) {
      const place second = look(first.end);
      // [^\r\n\p{L}\p{N}]?\p{L}+
      if (second.kind == char_kind::letter && !is_line_end(text_[begin])) {
        return skip(second.end, char_kind::letter);
      }
      //  ?[^\s\p{L}\p{N}]+[\r\n]*
      if (second.kind == char_kind::other && text_[begin] == ' ') return skip_marks(second.end);
    }
    return first.kind == char_kind::other ? skip_marks(first.end) : skip_spaces(begin);
  }

 private:
  struct place {
    char_kind kind;
    std::size_t end;
  };

  place look(std::size_t at) const {
    const utf8_char c = read_utf8(text_, at);
    return {table_.kind(c.code_point), at + c.num_bytes};
  }

  static bool is_line_end(char c) { return c == '\r' || c == '\n'; }

  // 0 when no contraction follows the apostrophe.
  std::size_t match_contraction(std::size_t at) const {
    const auto letter = [&](std::size_t i) {
      return i < text_.size() ? static_cast<char>(text_[i] | 0x20) : '\0';
    };
    const char first = letter(at), second = letter(at + 1);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 1;
    if (second == 'e' && (first == 'r' || first == 'v')) return at + 2;
    if (first == 'l' && second == 'l') return at + 2;
    if (at < text_.size() && read_utf8(text_, at).code_point == long_s) return at + 2;
    return 0;
  }

  std::size_t skip(std::size_t at, char_kind kind) const {
    while (at < text_.size()) {
      const place next = look(at);
      if (next.kind != kind) break;
      at = next.end;
    }
    return at;
  }

  std::size_t skip_marks(std::size_t at) const {
    at = skip(at, char_kind::other);
    while (at < text_.size() && is_line_end(text_[at])) ++at;
    return at;
  }

  // \s*[\r\n]+|\s+(?!\S)|\s+
  std::size_t skip_spaces(std::size_t begin) const {
    std::size_t after_line_end = 0, last = begin, at = begin;
    while (at < text_.size()) {
      const place next = look(at);
      if (next.kind != char_kind::space) break;
      if (is_line_end(text_[at])) after_line_end = next.end;
      last = at;
      at = next.end;
    }
    if (after_line_end > 0) return after_line_end;
    // The last blank before a word belongs to the word.
    return at == text_.size() || last == begin ? at : last;
  }

  std::string_view text_;
  const unicode_table& table_;
};

}  // namespace

std::size_t find_piece_end(std::string_view text, std::size_t begin) {
  return piece_scanner(text).find_end(begin);
}

}  // namespace troupe
