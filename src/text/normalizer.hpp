// Unicode's composed normal form (NFC) as the tokenizer's reference implementation computes it: in
// linear time, with the compositions and combining classes of Unicode 12.1. Later ones stay as they
// are, because the training data was normalised without them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// The text in NFC; `text` must be well-formed. `buffer` holds the result when something changes.
std::string_view to_nfc(std::string_view text, std::string& buffer);

// What NFC knows of code points, drawn from utf8proc once.
class composition_table {
 public:
  static const composition_table& get();

  // The character that canonically equals `first` followed by `second`, or 0.
  char32_t compose(char32_t first, char32_t second) const;
  // Whether `c` passes through NFC unchanged whatever stands around it.
  bool is_inert(char32_t c) const;

 private:
  composition_table();
  struct pair {
    std::uint64_t parts = 0;  // first << 32 | second
    char32_t whole = 0;
  };
  std::vector<pair> pairs_;        // sorted by parts; Hangul is computed instead
  std::vector<char32_t> seconds_;  // sorted: what may be the second half of a composition
};

}  // namespace troupe
