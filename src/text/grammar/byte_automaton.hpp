// Languages of symbols read byte by byte: UTF-8 and the escapes of JSON strings are undone on the
// way. States are tabled when a text first reaches them.
#pragma once
#include "text/grammar/language.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace troupe::grammar {

// How bytes become symbols.
enum class spelling : std::uint8_t {
  text,       // UTF-8, all of it content
  json,       // JSON: strings may spell some characters in more than one way
  canonical,  // JSON: each string has one spelling
};

// A place within a terminal; small, and independent of any table.
struct byte_state {
  enum class phase : std::uint8_t {
    content,  // between two characters of a text or string
    markup,   // JSON outside of strings
    partial,  // within a UTF-8 character that decides what follows; low = its bits so far
    settled,  // within a UTF-8 character after which `at` follows; missing bytes are free
    escape,   // after a backslash
    hex_0,
    hex_1,
    hex_2,  // after \u, \u0, \u00
    hex_3,  // after \u00X; low = X
  };
  language at = no_word;
  std::uint32_t low = 0;
  phase where = phase::content;
  std::uint8_t missing = 0;  // bytes of a UTF-8 character that are still to come
  spelling how = spelling::text;

  bool operator==(const byte_state&) const = default;
  std::uint64_t hash() const;
  // A terminal may end only there.
  bool is_border() const {
    return where == phase::markup || (where == phase::content && how == spelling::text);
  }
  // All but the language.
  std::uint64_t place() const {
    return std::uint64_t{low} << 24U | std::uint64_t(where) << 16U | std::uint64_t{missing} << 8U |
           std::uint64_t(how);
  }
};

class byte_automaton {
 public:
  using index = std::int32_t;  // of a tabled state
  static constexpr index dead = -1;
  // Which bytes lead to the same place; shared by many rows. Class 0 leads nowhere.
  using byte_classes = std::array<std::uint8_t, 256>;
  struct row {
    const byte_classes* classes = nullptr;
    std::vector<index> targets;       // [classes]
    std::vector<std::uint32_t> tags;  // of the words that end here
    std::int16_t only = no_byte;      // the byte that alone leads anywhere

    index next(std::uint8_t byte) const { return targets[(*classes)[byte]]; }
  };
  static constexpr std::int16_t no_byte = -1, many_bytes = -2;

  explicit byte_automaton(language_pool& pool) : pool_(pool) {}

  static byte_state start(language words, spelling how);
  index find(const byte_state& state);
  const byte_state& state(index i) const { return states_[static_cast<std::size_t>(i)]; }
  const row& at(index i) {
    if (!rows_[static_cast<std::size_t>(i)]) fill(i);  // moves rows_
    return *rows_[static_cast<std::size_t>(i)];
  }
  // The same as the row's, but without making one for a step that is found alone.
  index next(index i, std::uint8_t byte);
  std::size_t num_bytes() const { return num_bytes_; }
  void clear();  // forgets the tables; states that are held elsewhere stay true

 private:
  struct hasher {
    std::size_t operator()(const byte_state& s) const { return s.hash(); }
  };

  using wide_row = std::array<index, 256>;
  void fill(index i);
  void fold(const wide_row& wide, row& out);
  void fill_content(const byte_state& from, wide_row& out);
  void fill_leads(const byte_state& from, wide_row& out);
  void fill_markup(const byte_state& from, wide_row& out);
  void fill_partial(const byte_state& from, wide_row& out);
  void fill_escape(const byte_state& from, wide_row& out);
  void fill_hex(const byte_state& from, wide_row& out);
  index after(const byte_state& from, language next);
  index enter_partial(const byte_state& from, std::uint32_t low, std::uint8_t missing);
  bool may_spell(spelling how, symbol control, bool as_hex) const;
  bool can_write(const byte_state& from, symbol c) { return pool_.is_live(pool_.next(from.at, c)); }

  language_pool& pool_;
  std::unordered_map<byte_state, index, hasher> index_;
  std::vector<byte_state> states_;
  std::vector<std::unique_ptr<const row>> rows_;
  std::unordered_map<std::uint64_t, std::vector<std::unique_ptr<const byte_classes>>> classes_;
  std::size_t num_bytes_ = 0;
};

}  // namespace troupe::grammar
