#include "text/grammar/byte_automaton.hpp"

#include <algorithm>
#include <string_view>

namespace troupe::grammar {
namespace {

using phase = byte_state::phase;

struct short_escape {
  char letter;
  symbol means;
};
constexpr std::array<short_escape, 8> short_escapes{
    {{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 8}, {'f', 12}, {'n', 10}, {'r', 13}, {'t', 9}}};

bool has_short_escape(symbol c) {
  return std::any_of(short_escapes.begin(), short_escapes.end(),
                     [&](const short_escape& e) { return e.means == c; });
}

std::size_t byte_of(char c) { return static_cast<unsigned char>(c); }

}  // namespace

std::uint64_t byte_state::hash() const {
  std::uint64_t h = (std::uint64_t{at} << 32U | low) * 0x9E3779B97F4A7C15ULL;
  h ^= (std::uint64_t(where) << 16U | std::uint64_t{missing} << 8U | std::uint64_t(how)) << 20U;
  h *= 0xD6E8FEB86659FD93ULL;
  return h ^ (h >> 32U);
}

byte_state byte_automaton::start(language words, spelling how) {
  byte_state out;
  out.at = words;
  out.how = how;
  out.where = how == spelling::text ? phase::content : phase::markup;
  return out;
}

byte_automaton::index byte_automaton::find(const byte_state& state) {
  const auto [at, fresh] = index_.try_emplace(state, static_cast<index>(states_.size()));
  if (fresh) {
    states_.push_back(state);
    rows_.emplace_back();
    constexpr std::size_t index_bytes = 48;
    num_bytes_ += 2 * sizeof(byte_state) + sizeof(rows_[0]) + index_bytes;
  }
  return at->second;
}

byte_automaton::index byte_automaton::next(index i, std::uint8_t byte) {
  if (const auto& made = rows_[static_cast<std::size_t>(i)]) return made->next(byte);
  byte_state to = state(i);
  if (to.where == phase::markup) {
    to.at = pool_.next(to.at, outside(static_cast<char>(byte)));
    if (byte == '"') to.where = phase::content;
    return pool_.is_live(to.at) ? find(to) : dead;
  }
  const bool is_text = to.how == spelling::text;
  const bool is_plain = byte < 0x80 && (is_text || (byte >= 0x20 && byte != '"' && byte != '\\'));
  if (to.where != phase::content || !is_plain) return at(i).next(byte);
  return after(to, pool_.next(to.at, byte));
}

void byte_automaton::clear() {
  index_.clear();
  states_.clear();
  rows_.clear();
  classes_.clear();
  num_bytes_ = 0;
}

void byte_automaton::fill(index i) {
  const byte_state from = state(i);
  wide_row wide;
  wide.fill(dead);
  switch (from.where) {
    case phase::content: fill_content(from, wide); break;
    case phase::markup: fill_markup(from, wide); break;
    case phase::partial:
    case phase::settled: fill_partial(from, wide); break;
    case phase::escape: fill_escape(from, wide); break;
    default: fill_hex(from, wide); break;
  }
  auto out = std::make_unique<row>();
  fold(wide, *out);
  if (from.is_border()) pool_.collect_tags(from.at, out->tags);
  std::sort(out->tags.begin(), out->tags.end());
  num_bytes_ += sizeof(row) + sizeof(index) * out->targets.size() + 4 * out->tags.size();
  rows_[static_cast<std::size_t>(i)] = std::move(out);
}

void byte_automaton::fold(const wide_row& wide, row& out) {
  byte_classes classes{};
  out.targets.push_back(dead);
  std::uint64_t hash = 0;
  std::uint8_t before = 0;  // the class of the last byte: runs are the rule
  for (std::size_t byte = 0; byte < wide.size(); ++byte) {
    const index to = wide[byte];
    if (to != out.targets[before]) {
      const auto known = std::find(out.targets.begin(), out.targets.end(), to);
      before = static_cast<std::uint8_t>(known - out.targets.begin());
      if (known == out.targets.end()) out.targets.push_back(to);
      hash = (hash ^ (byte << 8U | before)) * 0x9E3779B97F4A7C15ULL;
      hash ^= hash >> 29U;
    }
    classes[byte] = before;
    if (before == 0) continue;
    out.only = out.only == no_byte ? static_cast<std::int16_t>(byte) : many_bytes;
  }
  out.targets.shrink_to_fit();
  auto& alike = classes_[hash];
  for (const auto& known : alike) {
    if (*known == classes) out.classes = known.get();
  }
  if (out.classes != nullptr) return;
  alike.push_back(std::make_unique<const byte_classes>(classes));
  out.classes = alike.back().get();
  num_bytes_ += sizeof(byte_classes) + 64;
}

byte_automaton::index byte_automaton::after(const byte_state& from, language next) {
  if (!pool_.is_live(next)) return dead;
  byte_state to = from;
  to.at = next;
  to.low = 0;
  to.missing = 0;
  to.where = phase::content;
  return find(to);
}

void byte_automaton::fill_content(const byte_state& from, wide_row& out) {
  const bool json = from.how != spelling::text;
  for (const arc step : pool_.arcs(from.at)) {
    if (step.low >= 0x80) break;
    const index next = after(from, step.next);
    const symbol low = std::max<symbol>(step.low, json ? 0x20 : 0);
    for (symbol c = low; c <= std::min<symbol>(step.high, 0x7F); ++c) {
      if (!json || (c != '"' && c != '\\')) out[c] = next;
    }
  }
  fill_leads(from, out);
  if (!json) return;
  const language closed = pool_.next(from.at, outside('"'));
  if (pool_.is_live(closed)) {
    byte_state to = from;
    to.at = closed;
    to.where = phase::markup;
    out[byte_of('"')] = find(to);
  }
  byte_state to = from;
  to.where = phase::escape;
  const index escaped = find(to);
  if (at(escaped).only != no_byte) out[byte_of('\\')] = escaped;
}

void byte_automaton::fill_leads(const byte_state& from, wide_row& out) {
  const std::vector<arc>& steps = pool_.arcs(from.at);
  const bool are_alike = std::any_of(steps.begin(), steps.end(), [](const arc& step) {
    return step.low <= 0x80 && step.high >= last_code_point;
  });
  std::array<index, 4> alike{dead, dead, dead, dead};  // by missing
  for (std::uint32_t lead = 0xC2; lead <= 0xF4; ++lead) {
    const auto missing = static_cast<std::uint8_t>(lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3);
    const bool is_special = lead == 0xE0 || lead == 0xED || lead == 0xF0 || lead == 0xF4;
    if (are_alike && !is_special && alike[missing] != dead) {
      out[lead] = alike[missing];
      continue;
    }
    out[lead] = enter_partial(from, lead & (0x3FU >> missing), missing);
    if (!is_special) alike[missing] = out[lead];
  }
}

void byte_automaton::fill_markup(const byte_state& from, wide_row& out) {
  for (const arc step : pool_.arcs(from.at)) {
    if (step.high <= last_code_point || !pool_.is_live(step.next)) continue;
    byte_state to = from;
    to.at = step.next;
    const index plain = find(to);
    to.where = phase::content;
    for (symbol s = std::max(step.low, outside('\0')); s <= step.high; ++s) {
      const symbol byte = s - outside('\0');
      out[byte] = byte == byte_of('"') ? find(to) : plain;
    }
  }
}

// The state within a character whose bits so far are `low`; settled as soon as all the characters
// that it can become lead to the same language.
byte_automaton::index byte_automaton::enter_partial(const byte_state& from, std::uint32_t low,
                                                    std::uint8_t missing) {
  const std::uint32_t shift = 6U * missing;
  symbol first = low << shift, last = first | ((1U << shift) - 1);
  if (missing == 2 && low == 0) first = 0x800;  // overlong spellings are none
  if (missing == 3 && low == 0) first = 0x10000;
  last = std::min(last, last_code_point);
  bool some = false, whole = true;
  language next = no_word;
  symbol covered = first;
  for (const arc step : pool_.arcs(from.at)) {
    if (step.high < first || step.low > last) continue;
    if (!pool_.is_live(step.next)) continue;
    whole = whole && step.low <= covered && (next == no_word || next == step.next);
    covered = step.high + 1;
    next = step.next;
    some = true;
  }
  if (!some) return dead;
  byte_state to = from;
  to.missing = missing;
  // Only the first continuation byte after E0, ED, F0, F4 is restricted: these stay partial.
  const bool surrogates = first <= 0xDFFF && last >= 0xD800;
  const bool cut = first != low << shift || last != (first | ((1U << shift) - 1)) || surrogates;
  if (whole && covered > last && !cut) {
    to.where = phase::settled;
    to.at = next;
    to.low = 0;
  } else {
    to.where = phase::partial;
    to.low = low;
  }
  return find(to);
}

void byte_automaton::fill_partial(const byte_state& from, wide_row& out) {
  const auto left = static_cast<std::uint8_t>(from.missing - 1);
  for (std::uint32_t byte = 0x80; byte <= 0xBF; ++byte) {
    if (from.where == phase::settled) {
      byte_state to = from;
      to.missing = left;
      out[byte] = left == 0 ? after(from, from.at) : find(to);
      continue;
    }
    const std::uint32_t low = from.low << 6U | (byte & 0x3FU);
    const std::uint32_t first = low << (6U * left);
    const std::uint32_t least = from.missing == 2 ? 0x800 : from.missing == 3 ? 0x10000 : 0x80;
    const std::uint32_t last = first | ((1U << (6U * left)) - 1);
    if (from.low == 0 && last < least) continue;
    if (first > last_code_point || (first >= 0xD800 && last <= 0xDFFF)) continue;
    if (left == 0) {
      out[byte] = after(from, pool_.next(from.at, low));
    } else {
      out[byte] = enter_partial(from, low, left);
    }
  }
}

bool byte_automaton::may_spell(spelling how, symbol c, bool as_hex) const {
  if (as_hex) return how == spelling::json || !has_short_escape(c);
  return how == spelling::json || c != '/';
}

void byte_automaton::fill_escape(const byte_state& from, wide_row& out) {
  for (const short_escape& each : short_escapes) {
    if (!may_spell(from.how, each.means, false)) continue;
    out[byte_of(each.letter)] = after(from, pool_.next(from.at, each.means));
  }
  for (symbol c = 0; c < 0x20; ++c) {
    if (!may_spell(from.how, c, true) || !can_write(from, c)) continue;
    byte_state to = from;
    to.where = phase::hex_0;
    out[byte_of('u')] = find(to);
    break;
  }
}

void byte_automaton::fill_hex(const byte_state& from, wide_row& out) {
  byte_state to = from;
  if (from.where == phase::hex_0 || from.where == phase::hex_1) {
    to.where = from.where == phase::hex_0 ? phase::hex_1 : phase::hex_2;
    out[byte_of('0')] = find(to);
    return;
  }
  constexpr std::string_view digits = "0123456789abcdef";
  for (symbol c = 0; c < 0x20; ++c) {
    if (!may_spell(from.how, c, true) || !can_write(from, c)) continue;
    if (from.where == phase::hex_2) {
      to.where = phase::hex_3;
      to.low = c >> 4U;
      out[byte_of(digits[c >> 4U])] = find(to);
    } else if (c >> 4U == from.low) {
      const index next = after(from, pool_.next(from.at, c));
      out[byte_of(digits[c & 15U])] = next;
      if (from.how == spelling::json && (c & 15U) > 9) {
        out[byte_of(digits[c & 15U]) - 0x20] = next;
      }
    }
  }
}

}  // namespace troupe::grammar
