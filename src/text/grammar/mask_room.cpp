#include "text/grammar/mask_room.hpp"

#include <algorithm>
#include <span>

namespace troupe::grammar {
namespace {

constexpr std::uint32_t max_length = 64;  // but unbounded where a loop is found

// A set of ASCII characters.
struct ascii_set {
  std::uint64_t low = 0, high = 0;

  static constexpr ascii_set range(symbol first, symbol last) {
    const auto from = [](symbol c) { return c >= 64 ? 0 : ~std::uint64_t{0} << c; };
    const auto part = [&](symbol begin, symbol end) { return from(begin) & ~from(end); };
    ascii_set out;
    if (first < 64) out.low = part(first, std::min<symbol>(last, 63) + 1);
    if (last >= 64)
      out.high = part(std::max<symbol>(first, 64) - 64, std::min<symbol>(last, 127) - 63);
    return out;
  }
  constexpr ascii_set operator|(ascii_set o) const { return {low | o.low, high | o.high}; }
  constexpr bool meets(ascii_set o) const { return ((low & o.low) | (high & o.high)) != 0; }
  constexpr bool holds(ascii_set o) const { return ((o.low & ~low) | (o.high & ~high)) == 0; }
};

constexpr auto members = [] {
  std::array<ascii_set, group::beyond_ascii> out{};
  for (symbol c = 0; c < ascii_groups.size(); ++c) {
    out[ascii_groups[c]] = out[ascii_groups[c]] | ascii_set::range(c, c);
  }
  return out;
}();

constexpr symbol_range beyond_ascii[] = {
    {0x80, 0x2027}, {0x202A, 0xD7FF}, {0xE000, last_code_point}};
constexpr symbol_range line_ends[] = {{0x2028, 0x2029}};

// About how many of a vocabulary's characters are of these groups.
std::uint32_t weight(byte_groups characters) {
  std::uint32_t out = 0;
  const auto add = [&](std::uint8_t group, std::uint32_t share) {
    if ((characters & group_bit(group)) != 0) out += share;
  };
  add(ascii_groups['a'], 8);
  add(ascii_groups['z'], 16);
  add(ascii_groups['A'], 3);
  add(ascii_groups['Z'], 5);
  add(ascii_groups['0'], 2);
  add(ascii_groups[' '], 6);
  add(group::beyond_ascii, 12);
  return out;
}
constexpr std::uint32_t little = 16, much = 32;  // of 52

// Those that some of its characters are of.
byte_groups groups_of(const arc& step) {
  byte_groups out = 0;
  if (step.low < 0x80) {
    const ascii_set own = ascii_set::range(step.low, std::min<symbol>(step.high, 127));
    for (std::uint8_t group = 0; group < members.size(); ++group) {
      if (own.meets(members[group])) out |= group_bit(group);
    }
  }
  const auto meets = [&](std::span<const symbol_range> ranges) {
    return std::any_of(ranges.begin(), ranges.end(), [&](symbol_range range) {
      return step.low <= range.high && step.high >= range.low;
    });
  };
  if (meets(beyond_ascii)) out |= group_bit(group::beyond_ascii);
  if (meets(line_ends)) out |= group_bit(group::line_ends);
  return out;
}

std::uint64_t key_of(language at, byte_groups allowed) {
  return std::uint64_t{at} << 1U | (allowed == harmless_groups ? 1U : 0U);
}

}  // namespace

room room::after(std::uint8_t byte) const {
  if (length == 0) return {};
  if (byte >= 0x80 && byte < 0xC0) return *this;  // within a character
  constexpr byte_groups beyond = group_bit(group::beyond_ascii) | group_bit(group::line_ends);
  const byte_groups needed = byte < 0x80 ? group_bit(ascii_groups[byte]) : beyond;
  if ((needed & ~characters) != 0) return {};
  return {characters, length == unbounded ? unbounded : length - 1};
}

void room_finder::forget() {
  rooms_.clear();
  met_.clear();
}

room room_finder::find(const byte_state& at, room known) {
  if (at.where != byte_state::phase::content) return known;
  if (known.length > 0 && weight(known.characters) > much) return known;
  const byte_groups allowed = at.how == spelling::text ? all_groups : harmless_groups;
  if (pool_.is_open(at.at)) return {allowed, unbounded};
  const auto found = rooms_.find(key_of(at.at, allowed));
  if (found != rooms_.end()) return found->second;
  return places_left_ == 0 ? known : search(at.at, allowed);
}

// Level by level: what all places accept that are reached by as many characters. A group that few
// characters belong to is given up where it is missing; others end the search.
room room_finder::search(language from, byte_groups allowed) {
  ++search_;
  places_.clear();
  (void)is_met(from);
  met_[from] = search_;
  places_.push_back({from, accepted_groups(from) & allowed});
  room out{places_[0].accepted, 0};
  if (weight(out.characters) < little) out = {};
  std::vector<std::size_t> ends;  // [length] of the places
  bool is_loop = false;
  while (out.characters != 0 && out.length < max_length) {
    const std::size_t begin = ends.empty() ? 0 : ends.back();
    const std::size_t end = places_.size();
    byte_groups all = out.characters;
    for (std::size_t i = begin; i < end; ++i) all &= places_[i].accepted;
    if (weight(all) * 2 < weight(out.characters)) break;
    ++out.length;
    ends.push_back(end);
    for (std::size_t i = begin; i < end; ++i) all = add_targets(places_[i].at, all, allowed);
    out.characters = all;
    is_loop = places_.size() == end;
    places_left_ -= std::min(places_left_, end - begin);
    if (is_loop || places_.size() > max_search || places_left_ == 0) break;
  }
  if (is_loop) out.length = unbounded;
  keep(allowed, out, ends);
  return out;
}

// For the first place, and those that have no other room than it.
void room_finder::keep(byte_groups allowed, room found, std::span<const std::size_t> ends) {
  constexpr std::uint32_t few = 16;  // for fewer characters it is better to look again
  rooms_.emplace(key_of(places_[0].at, allowed), found);
  std::uint32_t length = 0;
  for (std::size_t i = 1; i < places_.size() && found.length > 0; ++i) {
    while (length < ends.size() && i >= ends[length]) ++length;
    room own = found;
    if (own.length != unbounded) own.length -= std::min(own.length, length);
    if (own.length < few || places_[i].accepted != own.characters) continue;
    rooms_.emplace(key_of(places_[i].at, allowed), own);
  }
}

// The groups of which every character leads on.
byte_groups room_finder::accepted_groups(language at) {
  ascii_set ascii;
  std::uint32_t covered[] = {0x80, 0x202A, 0xE000}, separators = 0x2028;
  for (const arc step : pool_.arcs(at)) {
    if (step.low > last_code_point || !pool_.is_live(step.next)) continue;
    if (step.low < 0x80)
      ascii = ascii | ascii_set::range(step.low, std::min<symbol>(step.high, 127));
    const auto cover = [step](symbol& until) {
      if (step.low <= until && step.high >= until) until = step.high + 1;
    };
    for (symbol& until : covered) cover(until);
    cover(separators);
  }
  byte_groups out = 0;
  for (std::uint8_t group = 0; group < members.size(); ++group) {
    if (ascii.holds(members[group])) out |= group_bit(group);
  }
  bool all = true;
  for (std::size_t i = 0; i < std::size(beyond_ascii); ++i) {
    all = all && covered[i] > beyond_ascii[i].high;
  }
  if (all) out |= group_bit(group::beyond_ascii);
  if (separators > line_ends[0].high) out |= group_bit(group::line_ends);
  return out;
}

// The places behind one of the characters, all but such that few characters lead to and that put
// up with little: those characters are given up. Gives the others.
byte_groups room_finder::add_targets(language at, byte_groups characters, byte_groups allowed) {
  for (const arc step : pool_.arcs(at)) {
    if (step.low > last_code_point || !pool_.is_live(step.next)) continue;
    const byte_groups ways = groups_of(step) & characters;
    if (ways == 0 || is_met(step.next)) continue;
    const byte_groups accepted = accepted_groups(step.next) & allowed;
    const bool is_poor = weight(accepted & characters) * 2 < weight(characters);
    if (is_poor && weight(ways) * 4 <= weight(characters)) {
      characters &= ~ways;
    } else {
      places_.push_back({step.next, accepted});
      met_[step.next] = search_;
    }
  }
  return characters;
}

bool room_finder::is_met(language at) {
  if (met_.size() <= at) met_.resize(std::max<std::size_t>(at + 1, 2 * met_.size()), 0);
  return met_[at] == search_;
}

}  // namespace troupe::grammar
