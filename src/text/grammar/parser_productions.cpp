// The parser's way through productions: rules that enter each other anywhere. Frames at the same
// place of the same rule become one that returns to all that either returns to, so that an
// ambiguous grammar costs places and not readings. Of two depths the joined frame has the lesser:
// what a mask allows is then always accepted, and the limit of depth is no more than a limit.
#include "text/grammar/parser.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_set>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_closure = 4'096;  // frames looked at without a byte between

bool is_alike(const frame& a, const frame& b) {
  return a.rule == b.rule && a.position == b.position && a.count == b.count;
}

std::vector<frame_ptr> parents_of(const frame& at) {
  std::vector<frame_ptr> out = at.parents;
  if (at.parent) out.push_back(at.parent);
  return out;
}

// Each once, those that are alike next to each other.
void sort_frames(std::vector<frame_ptr>& frames) {
  const auto key = [](const frame_ptr& f) {
    return std::tuple(f->rule, f->position, f->count, f->hash);
  };
  std::sort(frames.begin(), frames.end(),
            [&](const frame_ptr& a, const frame_ptr& b) { return key(a) < key(b); });
  const auto same = [](const frame_ptr& a, const frame_ptr& b) { return a->hash == b->hash; };
  frames.erase(std::unique(frames.begin(), frames.end(), same), frames.end());
}

void set_parents(frame& at, std::vector<frame_ptr> sorted) {
  at.parent = std::move(sorted.front());
  sorted.erase(sorted.begin());
  at.parents = std::move(sorted);
}

// What all of some alike frames return to.
frame_ptr joined(std::span<const frame_ptr> alike) {
  if (alike.size() == 1) return alike[0];
  frame out = *alike[0];
  std::vector<frame_ptr> parents;
  for (const frame_ptr& each : alike) {
    const std::vector<frame_ptr> more = parents_of(*each);
    parents.insert(parents.end(), more.begin(), more.end());
    out.depth = std::min(out.depth, each->depth);
  }
  sort_frames(parents);
  set_parents(out, std::move(parents));
  return make_frame(std::move(out));
}

// Frames that are alike become one; their parents stay as they are.
std::vector<frame_ptr> join_alike(std::vector<frame_ptr> frames) {
  sort_frames(frames);
  std::vector<frame_ptr> out;
  for (std::size_t i = 0; i < frames.size();) {
    std::size_t end = i + 1;
    while (end < frames.size() && is_alike(*frames[i], *frames[end])) ++end;
    out.push_back(joined(std::span(frames).subspan(i, end - i)));
    i = end;
  }
  return out;
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
  std::size_t work = 0;

  void go_on(const frame_ptr& owner, language at, bool counted) {
    ++work;
    if (work >= max_closure || out.threads.size() >= max_threads) return;
    const std::uint64_t key = std::uint64_t{at} << 1U | (counted ? 1U : 0U);
    if (passed.insert(owner->hash ^ (key * 0x9E3779B97F4A7C15ULL)).second) {
      open.push_back({owner, at, counted});
    }
  }
};

thread_set parser::reach(const thread_set& from) {
  thread_set out = from;
  out.may_end = false;
  closure now{out, {}, {}, {}, 0};
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
  has_lost_way_ = has_lost_way_ || out.threads.size() >= max_threads;
  return out;
}

void parser::advance_all(const frame_ptr& owner, std::span<const std::uint32_t> tags,
                         std::string_view key, thread_set& out) {
  if (find_production(*owner) == nullptr) {
    for (const std::uint32_t tag : tags) advance(owner, tag, key, out);
    return;
  }
  closure now{out, {}, {}, {}, 0};
  pass(now, owner, tags, false);
  finish(now);
}

void parser::enter_production(container_index c, const frame_ptr& parent, thread_set& out) {
  closure now{out, {}, {}, {}, 0};
  enter_frame(now, c, parent->depth + 1, true, {parent});
  finish(now);
}

void parser::enter_frame(closure& now, container_index c, std::uint32_t depth, bool counted,
                         std::vector<frame_ptr> returns) {
  frame fresh;
  fresh.rule = c;
  fresh.depth = depth;
  set_parents(fresh, join_alike(std::move(returns)));
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
    if (now.calls.empty()) break;
    closure::entry next = std::move(now.calls.begin()->second);
    now.calls.erase(now.calls.begin());
    const bool fits = can_stand(next.rule->full, next.depth);
    enter_frame(now, fits ? next.rule->full : next.rule->lean, next.depth, next.counted,
                std::move(next.returns));
  }
  has_lost_way_ = has_lost_way_ || now.work >= max_closure;
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

// A rule that is entered last of all replaces its frame, so that lists do not nest. One that may be
// the last does both, and then no frame that waits can end without a byte of its own.
void parser::call(closure& now, const frame_ptr& owner, const production_rule::call& entered,
                  language next, bool counted) {
  const production_rule& own = *find_production(*owner);
  const bool may_be_last = own.max == 1;
  const language rest = may_be_last ? without_end(next, own) : next;
  std::vector<frame_ptr> parents = parents_of(*owner);
  if (rest != next) {
    std::vector<frame_ptr> waiting;
    for (const frame_ptr& parent : parents) {
      const bool alike = parent->rule == owner->rule && parent->position == own.done;
      if (alike || own.ways->endings.empty()) {
        enter_for(now, *owner, entered, parent, false, counted);
      } else {
        waiting.push_back(parent);
      }
    }
    // Left recursion: to wait twice for the end of the same rule is to wait once.
    if (!waiting.empty()) wait(now, *owner, entered, own.done, std::move(waiting), counted);
  }
  if (rest != no_word) wait(now, *owner, entered, rest, std::move(parents), counted);
}

void parser::wait(closure& now, const frame& owner, const production_rule::call& entered,
                  language next, std::vector<frame_ptr> parents, bool counted) {
  now.work += parents.size();
  frame waiting = owner;
  waiting.position = next;
  set_parents(waiting, join_alike(std::move(parents)));
  enter_for(now, owner, entered, make_frame(std::move(waiting)), true, counted);
}

void parser::enter_for(closure& now, const frame& owner, const production_rule::call& entered,
                       const frame_ptr& returns, bool waits, bool counted) const {
  const std::uint32_t depth = owner.depth + (waits && !counted ? 1 : 0);
  if (!can_stand(entered.full, depth) && !can_stand(entered.lean, depth)) return;
  const auto& rule = std::get<production_rule>(rules_.containers[entered.lean].what);
  closure::entry& entry = now.calls[rule.order];
  entry.rule = &entered;
  if (depth <= entry.depth) {
    entry.counted = waits || counted || (depth == entry.depth && entry.counted);
    entry.depth = depth;
  }
  entry.returns.push_back(returns);
}

// `a` but for the empty word that completes `rule`.
language parser::without_end(language a, const production_rule& rule) {
  const auto [at, is_new] = unended_.try_emplace({a, rule.done}, a);
  if (!is_new) return at->second;
  const split_language& parts = split(a);
  const std::size_t goal = label::first_choice + rule.ways->calls.size() + rule.goal;
  const std::size_t end = rule.ways->endings.empty() ? label::closed : goal;
  if (std::find(parts.tags.begin(), parts.tags.end(), end) == parts.tags.end()) return a;
  std::vector<language> others{parts.proper};
  for (const std::uint32_t tag : parts.tags) {
    if (tag != end) others.push_back(pool_->tag(tag));
  }
  at->second = pool_->any_of(std::move(others));
  return at->second;
}

void parser::complete(closure& now, const frame_ptr& owner) {
  const production_rule& rule = *find_production(*owner);
  const std::uint32_t count = owner->count + 1;
  if (count < rule.max) {
    frame again = *owner;
    again.count = rule.max == unbounded ? std::min(count, rule.min) : count;
    again.near_count = again.count;
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
    const std::array both{old.owner, fresh.owner};
    if (old.owner->hash != fresh.owner->hash) old.owner = joined(both);
    return;
  }
  out.add(std::move(fresh));
}

}  // namespace troupe::grammar
