// The parser's way through productions: rules that enter each other anywhere. Frames at the same
// place of the same rule become one that returns to all that either returns to, so that an
// ambiguous grammar costs places and not readings. Of two depths the joined frame has the lesser:
// what a mask allows is then always accepted, and the limit of depth is no more than a limit.
#include "text/grammar/parser.hpp"

#include <algorithm>
#include <unordered_set>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_passed = 16'384;

bool has_lower_hash(const frame_ptr& a, const frame_ptr& b) { return a->hash < b->hash; }

void drop_doubles(std::vector<frame_ptr>& frames) {
  std::sort(frames.begin(), frames.end(), has_lower_hash);
  const auto same = [](const frame_ptr& a, const frame_ptr& b) { return a->hash == b->hash; };
  frames.erase(std::unique(frames.begin(), frames.end(), same), frames.end());
}

std::vector<frame_ptr> parents_of(const frame& at) {
  std::vector<frame_ptr> out = at.parents;
  if (at.parent) out.push_back(at.parent);
  return out;
}

void set_parents(frame& at, std::vector<frame_ptr> parents) {
  drop_doubles(parents);
  at.parent = std::move(parents.front());
  parents.erase(parents.begin());
  at.parents = std::move(parents);
}

bool is_alike(const frame& a, const frame& b) {
  return a.rule == b.rule && a.position == b.position && a.count == b.count;
}

frame_ptr joined(const frame& a, const frame& b) {
  std::vector<frame_ptr> parents = parents_of(a);
  const std::vector<frame_ptr> more = parents_of(b);
  parents.insert(parents.end(), more.begin(), more.end());
  frame out = a;
  out.depth = std::min(a.depth, b.depth);
  set_parents(out, std::move(parents));
  return make_frame(std::move(out));
}

// Adds a frame to those that a rule returns to.
void add_return(std::vector<frame_ptr>& to, const frame_ptr& more) {
  for (frame_ptr& old : to) {
    if (old->hash == more->hash) return;
    if (old->rule == unbounded || !is_alike(*old, *more)) continue;
    old = joined(*old, *more);
    return;
  }
  to.push_back(more);
}

}  // namespace

struct parser::closure {
  // A rule to enter and all frames that enter it here. `counted`: that something waits for it since
  // the last byte, which has made it deeper; rules that begin with others count as one.
  struct entry {
    const production_rule::call* rule = nullptr;
    std::uint32_t depth = unbounded;
    bool counted = false;
    std::vector<frame_ptr> returns;
  };
  struct place {  // where a rule goes on
    frame_ptr owner;
    language at = no_word;
    bool counted = false;
  };
  thread_set& out;
  std::vector<place> open;
  std::map<std::uint64_t, entry> calls;  // by order: those first that the others may begin with
  std::unordered_set<std::uint64_t> passed;

  void go_on(const frame_ptr& owner, language at, bool counted) {
    if (passed.size() >= max_passed || out.threads.size() >= max_threads) return;
    const std::uint64_t key = std::uint64_t{at} << 1U | (counted ? 1U : 0U);
    if (passed.insert(owner->hash ^ (key * 0x9E3779B97F4A7C15ULL)).second) {
      open.push_back({owner, at, counted});
    }
  }
};

thread_set parser::reach(const thread_set& from) {
  thread_set out = from;
  out.may_end = false;
  closure now{out, {}, {}, {}};
  for (const thread& at : from.threads) {
    const auto& tags = automaton_.at(automaton_.find(at.at)).tags;
    if (tags.empty()) continue;
    if (find_production(*at.owner) != nullptr) {
      pass(now, at.owner, tags, false);
    } else {
      advance_all(at.owner, tags, at.key, out);
    }
  }
  finish(now);
  return out;
}

void parser::advance_all(const frame_ptr& owner, std::span<const std::uint32_t> tags,
                         std::string_view key, thread_set& out) {
  if (find_production(*owner) == nullptr) {
    for (const std::uint32_t tag : tags) advance(owner, tag, key, out);
    return;
  }
  closure now{out, {}, {}, {}};
  pass(now, owner, tags, false);
  finish(now);
}

void parser::enter_production(container_index c, const frame_ptr& parent, thread_set& out) {
  closure now{out, {}, {}, {}};
  enter_frame(now, c, parent->depth + 1, true, {parent});
  finish(now);
}

void parser::enter_frame(closure& now, container_index c, std::uint32_t depth, bool counted,
                         std::vector<frame_ptr> returns) {
  frame fresh;
  fresh.rule = c;
  fresh.depth = depth;
  set_parents(fresh, std::move(returns));
  const language start = std::get<production_rule>(rules_.containers[c].what).start;
  now.go_on(make_frame(std::move(fresh)), start, counted);
}

// A frame is made when all its parents are known: whoever may enter its rule here comes before.
void parser::finish(closure& now) {
  for (;;) {
    while (!now.open.empty()) {
      const closure::place at = std::move(now.open.back());
      now.open.pop_back();
      const split_language& parts = split(at.at);
      add(at.owner, parts.proper, spelling::text, now.out);
      pass(now, at.owner, parts.tags, at.counted);
    }
    if (now.calls.empty()) return;
    closure::entry next = std::move(now.calls.begin()->second);
    now.calls.erase(now.calls.begin());
    const bool fits = can_stand(next.rule->full, next.depth);
    enter_frame(now, fits ? next.rule->full : next.rule->lean, next.depth, next.counted,
                std::move(next.returns));
  }
}

// Ways that enter the same rule are one: what follows it is any of what follows in each.
const parser::tag_ways& parser::ways_of(const production_rule& rule,
                                        std::span<const std::uint32_t> tags) {
  const production_rule::table& table = *rule.ways;
  const auto [at, is_new] =
      ways_.try_emplace({&table, std::vector<std::uint32_t>(tags.begin(), tags.end())});
  tag_ways& out = at->second;
  if (!is_new) return out;
  std::map<container_index, std::pair<const production_rule::call*, std::vector<language>>> entered;
  for (const std::uint32_t tag : tags) {
    const std::size_t i = tag - label::first_choice;
    if (tag == label::closed) {
      out.closes = true;
    } else if (i < table.calls.size()) {
      auto& [first, next] = entered[table.calls[i].full];
      first = &table.calls[i];
      next.push_back(table.calls[i].next);
    } else {
      out.endings.push_back(static_cast<std::uint32_t>(i - table.calls.size()));
    }
  }
  for (auto& [full, way] : entered) {
    out.calls.emplace_back(way.first, pool_->any_of(std::move(way.second)));
  }
  return out;
}

void parser::pass(closure& now, const frame_ptr& owner, std::span<const std::uint32_t> tags,
                  bool counted) {
  if (tags.empty()) return;
  const production_rule& own = *find_production(*owner);
  const tag_ways& ways = ways_of(own, tags);
  bool ends = ways.closes;
  for (const std::uint32_t ending : ways.endings) {
    for (const language more : own.ways->endings[ending].onward) now.go_on(owner, more, false);
    ends = ends || ending == own.goal;
  }
  if (ends) complete(now, owner);
  for (const auto& [entered, next] : ways.calls) call(now, owner, *entered, next, counted);
}

// A rule that is entered last of all replaces its frame, so that lists do not nest.
void parser::call(closure& now, const frame_ptr& owner, const production_rule::call& entered,
                  language next, bool counted) {
  const production_rule& own = *find_production(*owner);
  const auto enter_for = [&](const frame_ptr& parent, bool waits) {
    const std::uint32_t depth = owner->depth + (waits && !counted ? 1 : 0);
    if (!can_stand(entered.full, depth) && !can_stand(entered.lean, depth)) return;
    const auto& rule = std::get<production_rule>(rules_.containers[entered.lean].what);
    closure::entry& entry = now.calls[rule.order];
    entry.rule = &entered;
    if (depth <= entry.depth) {
      entry.counted = waits || counted || (depth == entry.depth && entry.counted);
      entry.depth = depth;
    }
    add_return(entry.returns, parent);
  };
  std::vector<frame_ptr> parents = parents_of(*owner);
  const bool is_last = next == own.done && own.max == 1;
  if (is_last && own.ways->endings.empty()) {
    for (const frame_ptr& parent : parents) enter_for(parent, false);
    return;
  }
  // Left recursion: to wait twice for the end of the same rule is to wait once.
  const auto waits_alike = [&](const frame_ptr& parent) {
    return is_last && parent->rule == owner->rule && parent->position == next;
  };
  for (const frame_ptr& parent : parents) {
    if (waits_alike(parent)) enter_for(parent, false);
  }
  std::erase_if(parents, waits_alike);
  if (parents.empty()) return;
  frame waiting = *owner;
  waiting.position = next;
  set_parents(waiting, std::move(parents));
  enter_for(make_frame(std::move(waiting)), true);
}

void parser::complete(closure& now, const frame_ptr& owner) {
  const production_rule& rule = *find_production(*owner);
  const std::uint32_t count = owner->count + 1;
  if (count < rule.max) {
    frame again = *owner;
    again.count = rule.max == unbounded ? std::min(count, rule.min) : count;
    now.go_on(make_frame(std::move(again)), rule.start, false);
  }
  if (count < rule.min) return;
  for (const frame_ptr& waiting : parents_of(*owner)) {
    if (find_production(*waiting) == nullptr) {
      resume(waiting, now.out);
    } else if (now.passed.insert(waiting->hash).second) {
      frame awake = *waiting;
      awake.position = 0;
      now.go_on(make_frame(std::move(awake)), waiting->position, false);
    }
  }
}

const parser::split_language& parser::split(language a) {
  const auto [at, is_new] = splits_.try_emplace(a);
  if (!is_new) return at->second;
  at->second.proper = a;
  if (!pool_->has_empty_word(a)) return at->second;
  pool_->collect_tags(a, at->second.tags);
  std::vector<language> parts;
  const std::vector<arc> steps = pool_->arcs(a);
  for (const arc& step : steps) {
    parts.push_back(pool_->concat(pool_->set({{step.low, step.high}}), step.next));
  }
  at->second.proper = pool_->any_of(std::move(parts));
  return at->second;
}

// Threads that differ in nothing but where their rule returns to are one that returns to all.
void parser::add_alike(thread fresh, thread_set& out) const {
  if (find_production(*fresh.owner) == nullptr) return out.add(std::move(fresh));
  for (thread& old : out.threads) {
    if (old.at != fresh.at || !is_alike(*old.owner, *fresh.owner)) continue;
    if (old.owner->hash != fresh.owner->hash) old.owner = joined(*old.owner, *fresh.owner);
    return;
  }
  out.add(std::move(fresh));
}

}  // namespace troupe::grammar
