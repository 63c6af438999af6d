#include "text/grammar/language.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_languages = 400'000;
constexpr std::size_t max_bytes = 17U << 20U;

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 29U);
}

}  // namespace

symbol_set normalised(symbol_set ranges) {
  std::sort(ranges.begin(), ranges.end());
  symbol_set out;
  for (const symbol_range& range : ranges) {
    if (!out.empty() && range.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, range.high);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

symbol_set complement(const symbol_set& ranges, symbol last) {
  symbol_set out;
  symbol from = 0;
  for (const symbol_range& range : ranges) {
    if (range.low > from) out.push_back({from, range.low - 1});
    from = range.high + 1;
  }
  if (from <= last) out.push_back({from, last});
  return out;
}

language_pool::language_pool() {
  for (const kind what : {kind::none, kind::empty, kind::all}) {
    node fresh;
    fresh.what = what;
    fresh.nullable = what != kind::none;
    fresh.finite = what != kind::all;
    intern(std::move(fresh));
  }
}

std::uint64_t language_pool::find_fingerprint(const node& fresh) const {
  std::uint64_t out = mix(0xC0FFEE, static_cast<std::uint64_t>(fresh.what));
  switch (fresh.what) {
    case kind::set:
      for (const symbol_range& range : sets_[fresh.a]) {
        out = mix(out, std::uint64_t{range.low} << 32U | range.high);
      }
      return out;
    case kind::concat: return mix(mix(out, nodes_[fresh.a].fingerprint), fingerprint(fresh.b));
    case kind::any:
    case kind::both: {
      std::uint64_t sum = 0;  // the order of parts is the pool's business
      for (const language part : fresh.parts) sum += mix(out, fingerprint(part));
      return mix(out, sum);
    }
    case kind::negated: return mix(out, fingerprint(fresh.a));
    case kind::names:
      out = mix(mix(mix(out, names_[fresh.a].fingerprint), fresh.b), fresh.c);
      return mix(mix(mix(out, fresh.d), fresh.parts[0]), fresh.parts[1]);
    case kind::repeat: return mix(mix(mix(out, fingerprint(fresh.a)), fresh.b), fresh.c);
    default: return mix(mix(mix(mix(out, fresh.a), fresh.b), fresh.c), fresh.d);
  }
}

language language_pool::intern(node fresh) {
  std::uint64_t hash = mix(static_cast<std::uint64_t>(fresh.what), fresh.a);
  hash = mix(mix(mix(hash, fresh.b), fresh.c), fresh.d);
  for (const language part : fresh.parts) hash = mix(hash, part);
  const auto found = index_.find(hash);
  for (language at = found == index_.end() ? no_word : found->second; at != no_word;
       at = nodes_[at].same) {
    const node& old = nodes_[at];
    if (old.what == fresh.what && old.a == fresh.a && old.b == fresh.b && old.c == fresh.c &&
        old.d == fresh.d && old.parts == fresh.parts) {
      return at;
    }
  }
  if (nodes_.size() >= max_languages || num_bytes_ > max_bytes) exhausted_ = true;
  if (!can_afford(1 + fresh.parts.size())) return no_word;
  if (budget_ != nullptr) budget_->hold(sizeof fresh + sizeof(language) * fresh.parts.size());
  const auto id = static_cast<language>(nodes_.size());
  fresh.fingerprint = find_fingerprint(fresh);
  if (id == no_word) fresh.alive = life::dead;
  if (id != no_word && fresh.plain) fresh.alive = life::live;
  if (found != index_.end()) fresh.same = found->second;
  constexpr std::size_t index_bytes = 32;
  num_bytes_ += sizeof(node) + index_bytes + sizeof(language) * fresh.parts.size();
  nodes_.push_back(std::move(fresh));
  if (id != no_word) index_[hash] = id;
  return id;
}

language language_pool::set(symbol_set ranges) {
  ranges = normalised(std::move(ranges));
  if (ranges.empty()) return no_word;
  const auto known = set_index_.find(ranges);
  if (known != set_index_.end()) return known->second;
  node fresh;
  fresh.what = kind::set;
  fresh.a = static_cast<std::uint32_t>(sets_.size());
  sets_.push_back(ranges);
  num_bytes_ += 2 * sizeof(symbol_range) * ranges.size() + 128;  // once more in the index
  const language id = intern(std::move(fresh));
  if (id != no_word) set_index_.emplace(std::move(ranges), id);
  return id;
}

language language_pool::concat(language a, language b) {
  if (a == no_word || b == no_word) return no_word;
  if (a == empty_word) return b;
  if (b == empty_word) return a;
  if (nodes_[a].what == kind::concat) {  // right-associated, so that equal words are equal nodes
    const language head = nodes_[a].a, middle = nodes_[a].b;
    return concat(head, concat(middle, b));
  }
  node fresh;
  fresh.what = kind::concat;
  fresh.a = a;
  fresh.b = b;
  fresh.nullable = nodes_[a].nullable && nodes_[b].nullable;
  fresh.plain = nodes_[a].plain && nodes_[b].plain;
  fresh.finite = nodes_[a].finite && nodes_[b].finite;
  return intern(std::move(fresh));
}

language language_pool::concat(std::initializer_list<language> parts) {
  language out = empty_word;
  for (auto at = parts.end(); at != parts.begin();) out = concat(*--at, out);
  return out;
}

// Repeats of the same one-symbol set become one: x{1,5} & x{3,9} = x{3,5}, x{1,5} | x{3,9} =
// x{1,9}.
bool language_pool::join_repeats(std::vector<language>& parts, bool intersect) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (std::size_t j = i + 1; j < parts.size(); ++j) {
      const node& x = nodes_[parts[i]];
      const node& y = nodes_[parts[j]];
      if (x.what != kind::repeat || y.what != kind::repeat || x.a != y.a) continue;
      if (nodes_[x.a].what != kind::set) continue;
      const auto [low, high] = std::pair(std::max(x.b, y.b), std::min(x.c, y.c));
      if (!intersect && low > high && low - high > 1) continue;
      const language joined = intersect ? (low > high ? no_word : repeat(x.a, low, high))
                                        : repeat(x.a, std::min(x.b, y.b), std::max(x.c, y.c));
      parts[i] = joined;
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(j));
      return true;
    }
  }
  return false;
}

bool language_pool::join_sets(std::vector<language>& parts, bool intersect) {
  std::vector<language> others;
  symbol_set joined;
  std::size_t num_sets = 0;
  for (const language part : parts) {
    if (nodes_[part].what != kind::set) {
      others.push_back(part);
      continue;
    }
    symbol_set ranges = sets_[nodes_[part].a];
    if (intersect) ranges = complement(ranges, last_symbol);
    joined.insert(joined.end(), ranges.begin(), ranges.end());
    ++num_sets;
  }
  if (num_sets < 2) return false;
  joined = normalised(std::move(joined));
  if (intersect) joined = complement(joined, last_symbol);
  others.push_back(set(std::move(joined)));
  parts = std::move(others);
  return true;
}

language language_pool::any_of(std::vector<language> parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {  // flat: grows while it is read
    if (nodes_[parts[i]].what != kind::any) continue;
    const std::vector<language> inner = nodes_[parts[i]].parts;
    parts[i] = no_word;
    parts.insert(parts.end(), inner.begin(), inner.end());
  }
  join_sets(parts, false);
  if (parts.size() <= 64) {
    while (join_repeats(parts, false)) {
    }
  }
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  std::erase(parts, no_word);
  if (std::find(parts.begin(), parts.end(), all_words) != parts.end()) return all_words;
  node fresh;
  for (const language part : parts) {
    if (part != empty_word && nodes_[part].nullable) fresh.nullable = true;
  }
  if (fresh.nullable) std::erase(parts, empty_word);
  if (parts.empty()) return no_word;
  if (parts.size() == 1) return parts[0];
  fresh.what = kind::any;
  for (const language part : parts) {
    fresh.nullable = fresh.nullable || nodes_[part].nullable;
    fresh.plain = fresh.plain && nodes_[part].plain;
    fresh.finite = fresh.finite && nodes_[part].finite;
  }
  fresh.parts = std::move(parts);
  return intern(std::move(fresh));
}

language language_pool::both(language a, language b) {
  if (a == b) return a;
  return make_both({a, b});
}

language language_pool::make_both(std::vector<language> parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (nodes_[parts[i]].what != kind::both) continue;
    const std::vector<language> inner = nodes_[parts[i]].parts;
    parts[i] = all_words;
    parts.insert(parts.end(), inner.begin(), inner.end());
  }
  join_sets(parts, true);
  while (join_repeats(parts, true)) {
  }
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  std::erase(parts, all_words);
  if (parts.empty()) return all_words;
  if (parts[0] == no_word) return no_word;
  bool nullable = true;
  for (const language part : parts) nullable = nullable && nodes_[part].nullable;
  if (parts[0] == empty_word) return nullable ? empty_word : no_word;
  if (parts.size() == 1) return parts[0];
  for (const language part : parts) {
    if (nodes_[part].what != kind::negated) continue;
    if (std::binary_search(parts.begin(), parts.end(), nodes_[part].a)) return no_word;
  }
  node fresh;
  fresh.what = kind::both;
  fresh.nullable = nullable;
  fresh.plain = false;
  fresh.finite =
      std::any_of(parts.begin(), parts.end(), [&](language part) { return nodes_[part].finite; });
  fresh.parts = std::move(parts);
  return intern(std::move(fresh));
}

language language_pool::negated(language a) {
  if (a == no_word) return all_words;
  if (a == all_words) return no_word;
  if (nodes_[a].what == kind::negated) return nodes_[a].a;
  node fresh;
  fresh.what = kind::negated;
  fresh.a = a;
  fresh.nullable = !nodes_[a].nullable;
  fresh.plain = false;
  fresh.finite = false;
  return intern(std::move(fresh));
}

language language_pool::repeat(language a, std::uint32_t min, std::uint32_t max) {
  if (min > max) return no_word;
  if (max == 0 || a == empty_word) return empty_word;
  if (a == no_word) return min == 0 ? empty_word : no_word;
  if (min == 1 && max == 1) return a;
  if (nodes_[a].what == kind::repeat && nodes_[a].b == 0 && nodes_[a].c == unbounded) return a;
  node fresh;
  fresh.what = kind::repeat;
  fresh.a = a;
  fresh.nullable = min == 0 || nodes_[a].nullable;
  fresh.b = nodes_[a].nullable ? 0 : min;
  fresh.c = max;
  fresh.plain = nodes_[a].plain;
  fresh.finite = max != unbounded && nodes_[a].finite;
  return intern(std::move(fresh));
}

language language_pool::tag(std::uint32_t label) {
  node fresh;
  fresh.what = kind::tag;
  fresh.nullable = true;
  fresh.a = label;
  return intern(std::move(fresh));
}

language language_pool::code_points(std::u32string_view word) {
  language out = empty_word;
  for (std::size_t i = word.size(); i > 0; --i) out = concat(one(word[i - 1]), out);
  return out;
}

language language_pool::bytes_outside(std::string_view word) {
  language out = empty_word;
  for (std::size_t i = word.size(); i > 0; --i) out = concat(one(outside(word[i - 1])), out);
  return out;
}

language language_pool::words(std::vector<std::pair<std::u32string, language>>& list) {
  std::sort(list.begin(), list.end());
  return words_from(list, 0);
}

language language_pool::words_from(std::span<std::pair<std::u32string, language>> list,
                                   std::size_t depth) {
  if (list.size() == 1) {
    return concat(code_points(std::u32string_view(list[0].first).substr(depth)), list[0].second);
  }
  std::vector<language> parts;
  std::size_t begin = 0;
  for (; begin < list.size() && list[begin].first.size() == depth; ++begin) {
    parts.push_back(list[begin].second);
  }
  while (begin < list.size()) {
    const char32_t first = list[begin].first[depth];
    std::size_t end = begin + 1;
    while (end < list.size() && list[end].first[depth] == first) ++end;
    parts.push_back(concat(one(first), words_from(list.subspan(begin, end - begin), depth + 1)));
    begin = end;
  }
  return any_of(std::move(parts));
}

language language_pool::multiples(std::uint32_t numerator, std::uint32_t decimals) {
  return modulo(numerator, decimals, 0, 0);
}

// `phase` 0: before the point, i + 1: after i decimals. Further decimals than `decimals` are zeros.
language language_pool::modulo(std::uint32_t numerator, std::uint32_t decimals, std::uint32_t rest,
                               std::uint32_t phase) {
  node fresh;
  fresh.what = kind::modulo;
  fresh.a = numerator;
  fresh.b = decimals;
  fresh.c = rest;
  fresh.d = phase;
  std::uint64_t scaled = rest;
  for (std::uint32_t i = phase == 0 ? 0 : phase - 1; i < decimals; ++i) {
    scaled = scaled * 10 % numerator;
  }
  fresh.nullable = scaled == 0;
  fresh.plain = false;
  fresh.finite = false;
  return intern(std::move(fresh));
}

language language_pool::text(std::uint32_t min, std::uint32_t max) {
  return repeat(set({{0, last_code_point}}), min, max);
}

// All texts, perhaps without finitely many, perhaps with something behind.
bool language_pool::is_open(language a) const {
  const node& here = nodes_[a];
  const auto opens = [&](language part) { return is_open(part); };
  switch (here.what) {
    case kind::all: return true;
    case kind::any: return std::any_of(here.parts.begin(), here.parts.end(), opens);
    case kind::concat: return nodes_[here.b].plain && is_open(here.a);
    case kind::negated: return nodes_[here.a].finite;
    case kind::repeat:
      return here.c == unbounded && nodes_[here.a].what == kind::set &&
             sets_[nodes_[here.a].a] == symbol_set{{0, last_code_point}};
    case kind::both:  // each part lacks finitely many texts, so all of them together do
      return std::all_of(here.parts.begin(), here.parts.end(), [&](language part) {
        const kind what = nodes_[part].what;
        return (what == kind::negated || what == kind::repeat) && is_open(part);
      });
    default: return false;
  }
}

void language_pool::collect_tags(language a, std::vector<std::uint32_t>& out) const {
  const node& here = nodes_[a];
  if (!here.nullable) return;
  if (here.what == kind::tag) out.push_back(here.a);
  if (here.what == kind::concat) {
    collect_tags(here.a, out);
    collect_tags(here.b, out);
  }
  if (here.what == kind::any) {
    for (const language part : here.parts) collect_tags(part, out);
  }
  for (std::uint32_t i = here.b; here.what == kind::names && i < here.c; ++i) {
    const name_table::entry& entry = names_[here.a].sorted[i];
    const bool counts = entry.number >= here.parts[0] && entry.number < here.parts[1];
    if (counts && entry.word.size() == here.d) collect_tags(entry.ending, out);
  }
}

}  // namespace troupe::grammar
