// The automaton side of languages: derivatives, which states are alive, words counted and listed.
#include "text/grammar/language.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_searched = 50'000;

void append_arc(std::vector<arc>& out, arc fresh) {
  if (fresh.next == no_word) return;
  if (!out.empty() && out.back().next == fresh.next && out.back().high + 1 == fresh.low) {
    out.back().high = fresh.high;
  } else {
    out.push_back(fresh);
  }
}

}  // namespace

const std::vector<arc>& language_pool::arcs(language a) {
  if (!nodes_[a].arcs) {
    auto found = std::make_unique<const std::vector<arc>>(find_arcs(a));
    can_afford(1 + found->size());
    if (budget_ != nullptr) budget_->hold(sizeof(arc) * found->size());
    num_bytes_ += sizeof(*found) + sizeof(arc) * found->size();
    nodes_[a].arcs = std::move(found);
  }
  return *nodes_[a].arcs;
}

void language_pool::forget_arcs() {
  for (node& each : nodes_) {
    if (each.arcs) num_bytes_ -= sizeof(*each.arcs) + sizeof(arc) * each.arcs->size();
    each.arcs.reset();
  }
}

std::vector<arc> language_pool::find_arcs(language a) {
  const node& here = nodes_[a];  // a deque: stays where it is while languages are made
  std::vector<arc> out;
  switch (here.what) {
    case kind::none:
    case kind::empty:
    case kind::tag: break;
    case kind::all: out.push_back({0, last_symbol, all_words}); break;
    case kind::set:
      for (const symbol_range& range : sets_[here.a]) {
        out.push_back({range.low, range.high, empty_word});
      }
      break;
    case kind::repeat: {
      const language less =
          repeat(here.a, here.b == 0 ? 0 : here.b - 1, here.c == unbounded ? here.c : here.c - 1);
      for (const arc& step : arcs(here.a)) {
        append_arc(out, {step.low, step.high, concat(step.next, less)});
      }
      break;
    }
    case kind::concat: return concat_arcs(here);
    case kind::any: {
      std::vector<arc> all;
      for (const language part : here.parts) {
        const std::vector<arc>& steps = arcs(part);
        all.insert(all.end(), steps.begin(), steps.end());
      }
      return any_arcs(all);
    }
    case kind::both: return both_arcs(here.parts);
    case kind::negated: return negated_arcs(here.a);
    case kind::modulo: return modulo_arcs(here);
    case kind::names: return name_arcs(here);
  }
  return out;
}

std::vector<arc> language_pool::concat_arcs(const node& here) {
  std::vector<arc> out;
  for (const arc& step : arcs(here.a)) {
    append_arc(out, {step.low, step.high, concat(step.next, here.b)});
  }
  if (!nodes_[here.a].nullable) return out;
  const std::vector<arc>& later = arcs(here.b);
  out.insert(out.end(), later.begin(), later.end());
  return any_arcs(out);
}

// Overlapping arcs become disjoint ones that lead to the union of where they led.
std::vector<arc> language_pool::any_arcs(const std::vector<arc>& all) {
  struct event {
    symbol at;
    bool begins;
    language next;
  };
  std::vector<event> events;
  events.reserve(2 * all.size());
  for (const arc& step : all) {
    events.push_back({step.low, true, step.next});
    events.push_back({step.high + 1, false, step.next});
  }
  std::sort(events.begin(), events.end(),
            [](const event& x, const event& y) { return x.at < y.at; });
  std::vector<arc> out;
  std::vector<language> open;
  for (std::size_t i = 0; i < events.size();) {
    const symbol from = events[i].at;
    for (; i < events.size() && events[i].at == from; ++i) {
      if (events[i].begins) {
        open.push_back(events[i].next);
      } else {
        open.erase(std::find(open.begin(), open.end(), events[i].next));
      }
    }
    if (open.empty() || i == events.size()) continue;
    append_arc(out, {from, events[i].at - 1, open.size() == 1 ? open[0] : any_of(open)});
  }
  return out;
}

std::vector<arc> language_pool::both_arcs(const std::vector<language>& parts) {
  std::vector<arc> out = arcs(parts[0]);
  for (std::size_t part = 1; part < parts.size() && !out.empty(); ++part) {
    const std::vector<arc> right = arcs(parts[part]);
    std::vector<arc> met;
    for (std::size_t i = 0, j = 0; i < out.size() && j < right.size();) {
      const symbol low = std::max(out[i].low, right[j].low);
      const symbol high = std::min(out[i].high, right[j].high);
      if (low <= high) append_arc(met, {low, high, both(out[i].next, right[j].next)});
      if (out[i].high < right[j].high) {
        ++i;
      } else {
        ++j;
      }
    }
    out = std::move(met);
  }
  return out;
}

std::vector<arc> language_pool::negated_arcs(language inner) {
  std::vector<arc> out;
  symbol from = 0;
  for (const arc& step : arcs(inner)) {
    if (step.low > from) append_arc(out, {from, step.low - 1, all_words});
    append_arc(out, {step.low, step.high, negated(step.next)});
    from = step.high + 1;
  }
  if (from <= last_symbol) append_arc(out, {from, last_symbol, all_words});
  return out;
}

std::vector<arc> language_pool::modulo_arcs(const node& here) {
  std::vector<arc> out;
  if (here.d == 0) out.push_back({outside('.'), outside('.'), modulo(here.a, here.b, here.c, 1)});
  const bool only_zero = here.d == here.b + 1;
  for (std::uint32_t digit = 0; digit < (only_zero ? 1U : 10U); ++digit) {
    const auto rest = static_cast<std::uint32_t>((here.c * 10ULL + digit) % here.a);
    const symbol at = outside(static_cast<char>('0' + digit));
    const std::uint32_t phase = here.d == 0 ? 0 : here.d + 1;
    out.push_back(
        {at, at,
         only_zero ? modulo(here.a, here.b, here.c, here.d) : modulo(here.a, here.b, rest, phase)});
  }
  return out;
}

language language_pool::next(language a, symbol s) {
  const std::vector<arc>& steps = arcs(a);
  const auto after = std::upper_bound(steps.begin(), steps.end(), s,
                                      [](symbol x, const arc& step) { return x < step.low; });
  if (after == steps.begin()) return no_word;
  const arc& step = *std::prev(after);
  return s <= step.high ? step.next : no_word;
}

// Breadth first to something known to be alive; what lies on the way there is alive, too.
bool language_pool::is_live(language a) {
  if (nodes_[a].alive != life::unknown) return nodes_[a].alive == life::live;
  std::vector<language> order{a};
  std::unordered_map<language, language> from{{a, a}};
  for (std::size_t i = 0; i < order.size() && order.size() < max_searched; ++i) {
    const language here = order[i];
    if (!can_afford(1)) return false;
    if (nodes_[here].nullable || nodes_[here].alive == life::live) {
      for (language at = here;; at = from[at]) {
        nodes_[at].alive = life::live;
        if (at == a) return true;
      }
    }
    for (const arc& step : arcs(here)) {
      if (nodes_[step.next].alive == life::dead) continue;
      if (from.emplace(step.next, here).second) order.push_back(step.next);
    }
  }
  if (order.size() >= max_searched) {
    exhausted_ = true;
    return false;
  }
  for (const language dead : order) nodes_[dead].alive = life::dead;
  return false;
}

std::uint64_t language_pool::count_words(language a, std::uint64_t limit) {
  return count(a, limit, false);
}

std::uint64_t language_pool::count_contents(language a, std::uint64_t limit) {
  return count(a, limit, true);
}

std::uint64_t language_pool::count(language a, std::uint64_t limit, bool contents) {
  std::uint64_t total = 0;
  std::map<language, std::uint64_t> level{{a, 1}};  // words so far -> how many lead here
  while (!level.empty() && total < limit) {
    std::map<language, std::uint64_t> deeper;
    for (const auto& [here, ways] : level) {
      if (nodes_[here].nullable && !contents) total = std::min(limit, total + ways);
      for (const arc& step : arcs(here)) {
        if (!is_live(step.next)) continue;
        if (contents && step.low > last_code_point) {
          total = std::min(limit, total + ways);
          continue;
        }
        const std::uint64_t width = std::uint64_t{step.high} - step.low + 1;
        std::uint64_t& sum = deeper[step.next];
        sum = std::min(limit, sum + std::min(limit, ways) * width);
      }
    }
    level = std::move(deeper);
  }
  return total;
}

bool language_pool::list_words(language a, std::size_t limit, std::vector<std::u32string>& out) {
  if (count_words(a, limit + 1) > limit) return false;
  std::vector<std::pair<language, std::u32string>> open{{a, {}}};
  while (!open.empty()) {
    const auto [here, word] = std::move(open.back());
    open.pop_back();
    if (nodes_[here].nullable) out.push_back(word);
    const std::vector<arc> steps = arcs(here);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      if (!is_live(step->next)) continue;
      for (symbol s = step->high + 1; s > step->low; --s)
        open.emplace_back(step->next, word + char32_t(s - 1));
    }
  }
  return true;
}

bool language_pool::contains(language a, std::u32string_view word) {
  for (const char32_t c : word) a = next(a, c);
  return nodes_[a].nullable;
}

language language_pool::clipped(language a, std::uint32_t length) {
  const node& here = nodes_[a];
  if (here.what == kind::concat) {
    const language head = clipped(here.a, length);
    return head == here.a ? a : concat(head, here.b);
  }
  if (here.what != kind::repeat || nodes_[here.a].what != kind::set || here.c <= length) return a;
  return repeat(here.a, std::min(here.b, length + 1), unbounded);
}

std::optional<std::uint32_t> language_pool::run_of(const symbol_set& all, language a) {
  const node& here = nodes_[a];
  if (here.what != kind::concat || nodes_[here.a].what != kind::repeat) return std::nullopt;
  const node& head = nodes_[here.a];
  if (nodes_[head.a].what != kind::set || !nodes_[here.b].plain) return std::nullopt;
  symbol_set both = sets_[nodes_[head.a].a];
  both.insert(both.end(), all.begin(), all.end());
  if (normalised(std::move(both)) != sets_[nodes_[head.a].a]) return std::nullopt;
  const std::vector<arc>& later = arcs(here.b);
  if (!later.empty() && later.front().low <= last_code_point) return std::nullopt;
  return head.c;
}

}  // namespace troupe::grammar
