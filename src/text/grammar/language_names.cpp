// Many words of which now these, now those count, as the keys of a large object: nothing is built
// for each choice, the states are ranges of one sorted list.
#include "text/grammar/language.hpp"

#include <algorithm>

namespace troupe::grammar {

std::uint32_t language_pool::add_names(
    const std::vector<std::pair<std::u32string_view, language>>& list) {
  name_table& table = names_.emplace_back();
  for (const auto& [word, ending] : list) {
    table.sorted.push_back({word, ending, static_cast<std::uint32_t>(table.sorted.size())});
    table.plain = table.plain && nodes_[ending].plain;
    table.finite = table.finite && nodes_[ending].finite;
    const auto add = [&](std::uint64_t value) {
      table.fingerprint = (table.fingerprint ^ value) * 0x9E3779B97F4A7C15ULL;
      table.fingerprint ^= table.fingerprint >> 29U;
    };
    for (const char32_t c : word) add(c);
    add(fingerprint(ending));
  }
  std::sort(table.sorted.begin(), table.sorted.end(),
            [](const auto& x, const auto& y) { return x.word < y.word; });
  num_bytes_ += sizeof(name_table) + sizeof(name_table::entry) * table.sorted.size();
  return static_cast<std::uint32_t>(names_.size() - 1);
}

language language_pool::names(std::uint32_t table, std::uint32_t first, std::uint32_t last) {
  node range;
  range.a = table;
  range.c = static_cast<std::uint32_t>(names_[table].sorted.size());
  return make_names(std::move(range), first, last);
}

// One form for each set of words, so that equal states are equal nodes: a range begins and ends
// with words that count, and its numbers are the least and the greatest in it.
language language_pool::make_names(node range, std::uint32_t first, std::uint32_t last) {
  const name_table& table = names_[range.a];
  const auto counts = [&](std::uint32_t i) {
    return table.sorted[i].number >= first && table.sorted[i].number < last;
  };
  while (range.b < range.c && !counts(range.b)) ++range.b;
  while (range.b < range.c && !counts(range.c - 1)) --range.c;
  if (range.b == range.c) return no_word;
  if (range.b + 1 == range.c) {
    const name_table::entry& only = table.sorted[range.b];
    return concat(code_points(only.word.substr(range.d)), only.ending);
  }
  std::uint32_t least = last, greatest = first;
  for (std::uint32_t i = range.b; i < range.c; ++i) {
    if (!counts(i)) continue;
    least = std::min(least, table.sorted[i].number);
    greatest = std::max(greatest, table.sorted[i].number);
    const bool is_whole = table.sorted[i].word.size() == range.d;
    range.nullable = range.nullable || (is_whole && nodes_[table.sorted[i].ending].nullable);
  }
  range.what = kind::names;
  range.parts = {least, greatest + 1};
  range.plain = table.plain;
  range.finite = table.finite;
  return intern(std::move(range));
}

std::vector<arc> language_pool::name_arcs(const node& here) {
  const name_table& table = names_[here.a];
  std::vector<arc> out;
  bool has_whole = false;
  for (std::uint32_t i = here.b; i < here.c;) {
    const name_table::entry& entry = table.sorted[i];
    if (entry.word.size() == here.d) {
      if (entry.number >= here.parts[0] && entry.number < here.parts[1]) {
        const std::vector<arc>& later = arcs(entry.ending);
        out.insert(out.end(), later.begin(), later.end());
        has_whole = true;
      }
      ++i;
      continue;
    }
    node range;
    range.a = here.a;
    range.b = i;
    range.d = here.d + 1;
    const symbol c = entry.word[here.d];
    while (i < here.c && table.sorted[i].word[here.d] == c) ++i;
    range.c = i;
    const language next = make_names(std::move(range), here.parts[0], here.parts[1]);
    if (next != no_word) out.push_back({c, c, next});
  }
  return has_whole ? any_arcs(out) : out;
}

}  // namespace troupe::grammar
