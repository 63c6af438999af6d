// What a place within a text or string puts up with, so that a walk through the vocabulary need not
// look at tokens of which all that must be known is which characters they have.
#pragma once
#include "text/grammar/byte_automaton.hpp"
#include "text/grammar/byte_groups.hpp"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace troupe::grammar {

// Every text of at most `length` characters of these groups can be read.
struct room {
  byte_groups characters = 0;
  std::uint32_t length = 0;

  room after(std::uint8_t byte) const;  // what is left of it
};

class room_finder {
 public:
  explicit room_finder(language_pool& pool) : pool_(pool) {}

  // At least `known`, and no more is looked for where that is much already.
  room find(const byte_state& at, room known);
  // Before each mask: bounds the places that are looked at for it.
  void start_mask() { places_left_ = max_places; }
  void forget();
  std::size_t num_bytes() const { return 64 * rooms_.size(); }

 private:
  static constexpr std::size_t max_places = 160;
  static constexpr std::size_t max_search = 96;

  struct place {
    language at = no_word;
    byte_groups accepted = 0;
  };

  room search(language from, byte_groups allowed);
  void keep(byte_groups allowed, room found, std::span<const std::size_t> ends);
  byte_groups accepted_groups(language at);
  byte_groups add_targets(language at, byte_groups characters, byte_groups allowed);
  bool is_met(language at);

  language_pool& pool_;
  std::unordered_map<std::uint64_t, room> rooms_;  // by language and whether it is JSON's
  std::vector<place> places_;                      // of the search in work, level by level
  std::vector<std::uint32_t> met_;                 // [language]: by which search last
  std::uint32_t search_ = 0;
  std::size_t places_left_ = max_places;
};

}  // namespace troupe::grammar
