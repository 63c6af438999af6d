#include "text/normalizer.hpp"

#include "text/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

namespace troupe {
namespace {

struct range {
  char32_t first, last;
};

// Characters later than Unicode 12.1 that decompose or have a combining class: NFC here takes them
// for unassigned. Sorted.
constexpr range later_characters[] = {
    {0x0897, 0x089F},   {0x08CA, 0x08D2},   {0x0C3C, 0x0C3C},   {0x1715, 0x1715},
    {0x1ABF, 0x1AEB},   {0x1DFA, 0x1DFA},   {0xA82C, 0xA82C},   {0x105C9, 0x105E4},
    {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC}, {0x10EFA, 0x10EFF}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x11383, 0x113D0}, {0x11938, 0x11943}, {0x11F41, 0x11F42},
    {0x16121, 0x1612F}, {0x16D68, 0x16D6A}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F},
    {0x1E2AE, 0x1E2AE}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6F5},
};

bool is_later(char32_t c) {
  const auto* found = std::partition_point(std::begin(later_characters), std::end(later_characters),
                                           [c](const range& r) { return r.last < c; });
  return found != std::end(later_characters) && found->first <= c;
}

const utf8proc_property_t& property_of(char32_t c) {
  return *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
}

std::uint8_t combining_class(char32_t c) {
  const auto found = static_cast<std::uint8_t>(property_of(c).combining_class);
  return found == 0 || is_later(c) ? std::uint8_t{0} : found;
}

constexpr std::size_t max_decomposition = 8;  // code points; Unicode needs 4
using decomposition = std::array<char32_t, max_decomposition>;

constexpr char32_t hangul_l = 0x1100, hangul_v = 0x1161, hangul_t = 0x11A7, hangul_s = 0xAC00;
constexpr char32_t num_l = 19, num_v = 21, num_t = 28, num_s = num_l * num_v * num_t;

bool is_hangul_syllable(char32_t c) { return c >= hangul_s && c < hangul_s + num_s; }

// What a table of more than a million code points can afford to ask of each.
bool may_decompose(char32_t c) {
  constexpr utf8proc_uint16_t no_sequence = 0xFFFF;
  return is_hangul_syllable(c) || property_of(c).decomp_seqindex != no_sequence;
}

// The full canonical decomposition; the character itself when it has none.
std::span<const char32_t> decompose(char32_t c, decomposition& out) {
  out[0] = c;
  if (c < 0xC0 || !may_decompose(c) || is_later(c)) return {out.data(), 1};
  std::array<utf8proc_int32_t, max_decomposition> parts{};
  int boundary = 0;
  const auto count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(c), parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE), &boundary);
  if (count < 1 || static_cast<std::size_t>(count) > parts.size()) return {out.data(), 1};
  const auto num_parts = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < num_parts; ++i) out[i] = static_cast<char32_t>(parts[i]);
  return {out.data(), num_parts};
}

// Whether utf8proc's NFC keeps the character: composition exclusions come apart.
bool survives_nfc(char32_t c) {
  std::string text;
  append_utf8(text, c);
  utf8proc_uint8_t* composed = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const bool same = size == static_cast<utf8proc_ssize_t>(text.size()) &&
                    std::equal(text.begin(), text.end(), reinterpret_cast<const char*>(composed));
  std::free(composed);
  return same;
}

char32_t compose_hangul(char32_t first, char32_t second) {
  if (first >= hangul_l && first < hangul_l + num_l && second >= hangul_v &&
      second < hangul_v + num_v) {
    return hangul_s + ((first - hangul_l) * num_v + (second - hangul_v)) * num_t;
  }
  const bool is_lv = is_hangul_syllable(first) && (first - hangul_s) % num_t == 0;
  if (is_lv && second > hangul_t && second < hangul_t + num_t) return first + (second - hangul_t);
  return 0;
}

}  // namespace

const composition_table& composition_table::get() {
  static const composition_table table;
  return table;
}

composition_table::composition_table() {
  struct composite {
    std::vector<char32_t> parts;
    char32_t whole;
  };
  std::vector<composite> composites;
  decomposition buffer;
  constexpr char32_t end_of_letters = 0x40000;  // marks and letters are in the first four planes
  for (char32_t c = 0xC0; c < end_of_letters; ++c) {
    if (is_hangul_syllable(c)) c = hangul_s + num_s;
    const auto parts = decompose(c, buffer);
    if (parts.size() < 2 || !survives_nfc(c)) continue;
    composites.push_back({{parts.begin(), parts.end()}, c});
  }
  const auto before = [](const composite& a, const composite& b) { return a.parts < b.parts; };
  std::sort(composites.begin(), composites.end(), before);
  for (const auto& [parts, whole] : composites) {
    // All parts but the last are the first half, themselves composed when they are several.
    const std::vector<char32_t> head(parts.begin(), parts.end() - 1);
    char32_t first = head.front();
    if (head.size() > 1) {
      const auto found =
          std::lower_bound(composites.begin(), composites.end(), composite{head, 0}, before);
      if (found == composites.end() || found->parts != head) continue;
      first = found->whole;
    }
    pairs_.push_back({std::uint64_t{first} << 32U | parts.back(), whole});
    seconds_.push_back(parts.back());
  }
  std::sort(pairs_.begin(), pairs_.end(),
            [](const pair& a, const pair& b) { return a.parts < b.parts; });
  std::sort(seconds_.begin(), seconds_.end());
}

char32_t composition_table::compose(char32_t first, char32_t second) const {
  if (const char32_t syllable = compose_hangul(first, second)) return syllable;
  const std::uint64_t parts = std::uint64_t{first} << 32U | second;
  const auto found = std::lower_bound(pairs_.begin(), pairs_.end(), parts,
                                      [](const pair& a, std::uint64_t b) { return a.parts < b; });
  return found != pairs_.end() && found->parts == parts ? found->whole : 0;
}

bool composition_table::is_inert(char32_t c) const {
  if (c < 0x300) return true;
  if (is_hangul_syllable(c)) return true;
  if (combining_class(c) != 0 || std::binary_search(seconds_.begin(), seconds_.end(), c)) {
    return false;
  }
  if (c > hangul_v - 1 && c < hangul_t + num_t) return false;  // jamo vowels and finals
  decomposition buffer;
  const auto parts = decompose(c, buffer);
  return parts.size() == 1 ? parts[0] == c : survives_nfc(c);
}

namespace {

struct placed_char {
  char32_t code_point;
  std::uint8_t combining_class;
};

// Marks between two starters stand in the order of their class; equal classes keep theirs.
void order_marks(std::vector<placed_char>& chars) {
  const auto is_starter = [](const placed_char& c) { return c.combining_class == 0; };
  const auto before = [](const placed_char& a, const placed_char& b) {
    return a.combining_class < b.combining_class;
  };
  for (auto begin = chars.begin(); begin != chars.end();) {
    const auto end = std::find_if(begin + 1, chars.end(), is_starter);
    const auto marks = is_starter(*begin) ? begin + 1 : begin;
    if (!std::is_sorted(marks, end, before)) std::stable_sort(marks, end, before);
    begin = end;
  }
}

void append_composed(const std::vector<placed_char>& chars, std::vector<placed_char>& out) {
  const composition_table& table = composition_table::get();
  out.clear();
  std::size_t starter = chars.size();  // index into out; chars.size(): none yet
  for (const placed_char& c : chars) {
    if (starter < out.size()) {
      const bool adjacent = starter + 1 == out.size();
      const bool blocked = !adjacent && out.back().combining_class >= c.combining_class;
      const char32_t whole = blocked ? 0 : table.compose(out[starter].code_point, c.code_point);
      if (whole != 0) {
        out[starter].code_point = whole;
        continue;
      }
    }
    if (c.combining_class == 0) starter = out.size();
    out.push_back(c);
  }
}

// One stretch that begins at a boundary and ends before the next one.
class stretch_composer {
 public:
  void append(std::string_view stretch, std::string& out) {
    chars_.clear();
    decomposition buffer;
    for (std::size_t at = 0; at < stretch.size();) {
      const utf8_char c = read_utf8(stretch, at);
      for (const char32_t part : decompose(c.code_point, buffer)) {
        chars_.push_back({part, combining_class(part)});
      }
      at += c.num_bytes;
    }
    order_marks(chars_);
    append_composed(chars_, composed_);
    for (const placed_char& c : composed_) append_utf8(out, c.code_point);
  }

 private:
  std::vector<placed_char> chars_, composed_;
};

}  // namespace

std::string_view to_nfc(std::string_view text, std::string& buffer) {
  const unicode_table& table = unicode_table::get();
  stretch_composer composer;
  std::size_t copied = 0;    // text[0, copied) is in `buffer`, once something was composed
  std::size_t boundary = 0;  // where the last inert character begins
  std::size_t at = 0;
  const auto skip_inert = [&] {
    while (at < text.size()) {
      const utf8_char c = read_utf8(text, at);
      if (!table.is_nfc_inert(c.code_point)) return;
      boundary = at;
      at += c.num_bytes;
    }
  };
  const auto skip_others = [&] {
    while (at < text.size()) {
      const utf8_char c = read_utf8(text, at);
      if (table.is_nfc_inert(c.code_point)) return;
      at += c.num_bytes;
    }
  };
  for (skip_inert(); at < text.size(); skip_inert()) {
    skip_others();
    if (copied == 0) buffer.clear();
    buffer.append(text, copied, boundary - copied);
    composer.append(text.substr(boundary, at - boundary), buffer);
    copied = boundary = at;
  }
  if (copied == 0) return text;
  buffer.append(text, copied, text.size() - copied);
  return buffer;
}

}  // namespace troupe
