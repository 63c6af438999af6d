#include "text/grammar/mask_maker.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

using phase = byte_state::phase;

constexpr std::size_t max_bytes = 19U << 20U;  // of all of a grammar; one mask may add to that

constexpr std::size_t whole_bytes(std::size_t num_mask_words) { return 64 + 4 * num_mask_words; }

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 29U);
}

std::uint64_t hash_of(const thread& at, std::uint64_t frame::*part) {
  return mix(mix(at.at.hash(), (*at.owner).*part), at.in_key ? 1 : 2);
}

std::uint64_t hash_of(const thread_set& at, std::uint64_t frame::*part) {
  std::uint64_t out = 0xABCDEF;
  for (const thread& each : at.threads) out = mix(out, hash_of(each, part));
  return part == &frame::shape ? out : ~out;
}

}  // namespace

bool mask_maker::fill(const thread_set& at, std::span<std::uint32_t> mask) {
  const bool is_alike = std::any_of(at.threads.begin(), at.threads.end(), [&](const thread& each) {
    return machine_.num_alike(each) > 0;
  });
  const std::uint64_t shape = hash_of(at, &frame::shape);
  const std::uint64_t hash = hash_of(at, &frame::hash);
  const whole_mask* known = is_alike ? nullptr : find_whole(shape, hash);
  if (known != nullptr) {
    std::copy(known->bits.begin(), known->bits.end(), mask.begin());
    return known->may_end;
  }
  is_written_ = needs_key_ = may_end_ = false;
  rooms_.start_mask();
  const std::uint64_t looks = machine_.num_looks();
  for (const thread& each : at.threads) add(each, mask);
  if (!is_written_) std::fill(mask.begin(), mask.end(), 0);
  if (is_alike || needs_key_ || is_incomplete()) return may_end_;
  const std::uint64_t key = looks == machine_.num_looks() ? shape : hash;
  constexpr int often = 3;  // to keep a mask takes longer than to make an ordinary one
  if (++met_[key] < often) {
    num_bytes_ += 32;
    return may_end_;
  }
  whole_.insert_or_assign(key, whole_mask{mask_words(mask.begin(), mask.end()), may_end_});
  num_bytes_ += whole_bytes(mask.size());
  return may_end_;
}

const mask_maker::whole_mask* mask_maker::find_whole(std::uint64_t shape,
                                                     std::uint64_t hash) const {
  auto found = whole_.find(shape);
  if (found == whole_.end()) found = whole_.find(hash);
  return found == whole_.end() ? nullptr : &found->second;
}

void mask_maker::add(const thread& at, std::span<std::uint32_t> mask) {
  if (machine_.num_alike(at) == 0) return add_thread(at, mask);
  mask_words own(mask.size());
  const bool was_written = std::exchange(is_written_, false);
  add_thread(at, own);
  take_blocked(at, own);
  is_written_ = true;
  if (!was_written) {
    std::copy(own.begin(), own.end(), mask.begin());
    return;
  }
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] |= own[i];
}

// Ready masks take the most, and are the fastest to make again.
void mask_maker::forget_when_large() {
  const auto total = [&] {
    return machine_.pool().num_bytes() + machine_.automaton().num_bytes() + num_bytes();
  };
  if (total() < max_bytes) return;
  num_bytes_ -= whole_.size() * whole_bytes(words_->num_mask_words());
  whole_.clear();
  if (total() < max_bytes / 4 * 3) return;
  terminals_.clear();
  rooms_.forget();
  place_index_.clear();
  places_.clear();
  beyond_.clear();
  met_.clear();
  num_bytes_ = 0;
  machine_.automaton().clear();
  machine_.pool().forget_arcs();
}

void mask_maker::add_thread(const thread& at, std::span<std::uint32_t> mask) {
  const terminal_mask_ptr terminal = find_terminal(at.at);
  if (is_written_) {
    terminal->add_to(mask);
  } else {
    terminal->write_to(mask);
  }
  is_written_ = true;
  if (terminal->shares_exits) add_beyond(at, *terminal->base, mask);
  add_beyond(at, *terminal, mask);
  auto& automaton = machine_.automaton();
  const auto& tags = automaton.at(automaton.find(at.at)).tags;
  if (tags.empty()) return;
  thread_set next;
  machine_.advance_all(at.owner, tags, at.key, next);
  may_end_ = may_end_ || next.may_end;
  for (const thread& each : next.threads) add(each, mask);
}

// Takes out the tokens after which a key could only be one that the object has.
void mask_maker::take_blocked(const thread& at, std::span<std::uint32_t> mask) {
  const vocabulary_trie& trie = words_->all();
  auto& automaton = machine_.automaton();
  for (auto seen = at.owner->seen.get(); seen != nullptr; seen = seen->before.get()) {
    if (!seen->spelled.starts_with(at.key)) continue;
    thread moved = at;
    std::uint32_t node = 0;
    for (std::size_t i = at.key.size(); i < seen->spelled.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(seen->spelled[i]);
      node = trie.child(node, byte);
      if (node == 0) break;
      const index next = automaton.at(automaton.find(moved.at)).next(byte);
      if (next == byte_automaton::dead) break;
      moved.at = automaton.state(next);
      moved.key += seen->spelled[i];
      if (!machine_.is_blocked(moved)) continue;
      for (const token_id token : trie.tokens_below(trie.at(node))) clear_bit(mask, token);
      break;
    }
  }
}

// What tokens find beyond the terminal.
void mask_maker::add_beyond(const thread& at, const terminal_mask& terminal,
                            std::span<std::uint32_t> mask) {
  if (terminal.exits.empty()) return;
  const std::uint64_t shape = mix(mix(terminal.id, at.owner->shape), at.in_key ? 1 : 2);
  const std::uint64_t hash = ~mix(mix(terminal.id, at.owner->hash), at.in_key ? 1 : 2);
  auto found = beyond_.find(shape);
  if (found == beyond_.end()) found = beyond_.find(hash);
  if (found != beyond_.end()) return found->second.add_to(mask);
  const std::uint64_t looks = machine_.num_looks();
  std::vector<token_id> tokens;
  const bool by_key = walk_exits(at, terminal, tokens);
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  const token_set fresh(std::move(tokens), mask.size());
  fresh.add_to(mask);
  needs_key_ = needs_key_ || by_key;
  if (by_key || is_incomplete()) return;
  num_bytes_ += 64 + fresh.num_bytes();
  beyond_.emplace(looks == machine_.num_looks() ? shape : hash, fresh);
}

// Whether the bytes of the key in work made a difference. They can only where a token ends that key
// and goes on to another one of the same object; so the rest is found without them.
bool mask_maker::walk_exits(const thread& at, const terminal_mask& terminal,
                            std::vector<token_id>& out) {
  bool by_key = false;
  const bool is_production = machine_.find_production(*at.owner) != nullptr;
  thread_set next;
  std::uint32_t tag = 0;  // that led to `next`
  std::uint32_t together = nowhere;
  ++walk_;
  walk_cost_ = 0;
  for (std::size_t i = 0; i < terminal.exits.size(); ++i) {
    const terminal_mask::exit& way = terminal.exits[i];
    if (i == 0 || way.tag != tag) {
      tag = way.tag;
      next = {};
      machine_.advance(at.owner, tag, {}, next);
      if (is_production) together = find_place(next);
    }
    if (is_production) {
      walk_together(*way.trie, way.node, together, out);
      continue;
    }
    if (terminal.joined) {
      for (const thread& each : next.threads) walk_thread(*terminal.joined, 0, each, out);
      break;
    }
    const std::size_t size = out.size();
    (void)machine_.has_missed_key();
    for (const thread& each : next.threads) walk_thread(*way.trie, way.node, each, out);
    if (!at.in_key || !machine_.has_missed_key()) continue;
    by_key = true;
    out.resize(size);
    thread_set own;
    machine_.advance(at.owner, way.tag, at.key + way.key, own);
    for (const thread& each : own.threads) walk_thread(*way.trie, way.node, each, out);
  }
  return by_key;
}

// The tokens below a node that `at`, which stands there, may take.
void mask_maker::walk_thread(const vocabulary_trie& trie, std::uint32_t node, const thread& at,
                             std::vector<token_id>& out) {
  thread_walk walk{.trie = trie,
                   .owner = at.owner,
                   .in_key = at.in_key,
                   .may_block = at.in_key && machine_.has_seen(at),
                   .key = at.key,
                   .out = out};
  walk_thread(walk, node, machine_.automaton().find(at.at));
}

void mask_maker::walk_thread(thread_walk& walk, std::uint32_t start, index at, room at_least) {
  auto& automaton = machine_.automaton();
  const vocabulary_trie::node& from = walk.trie.at(start);
  const room own = walk.may_block ? room() : find_room(from, at, at_least);
  for (std::uint32_t i = from.children; i < from.children + from.num_children; ++i) {
    if (walk.trie.is_within(i, own.characters, own.length)) {
      const auto tokens = walk.trie.tokens_below(walk.trie.at(i));
      walk.out.insert(walk.out.end(), tokens.begin(), tokens.end());
      continue;
    }
    const std::uint8_t byte = walk.trie.byte(i);
    const index next = find_next(from, at, byte);
    if (next == byte_automaton::dead) continue;
    if (walk.in_key) walk.key += static_cast<char>(byte);
    const bool is_blocked =
        walk.may_block && machine_.is_blocked({walk.owner, automaton.state(next), walk.key, true});
    if (!is_blocked) take_node(walk, i, next, own.after(byte));
    if (walk.in_key) walk.key.pop_back();
  }
}

void mask_maker::take_node(thread_walk& walk, std::uint32_t node, index at, room at_least) {
  const auto tokens = walk.trie.tokens_at(walk.trie.at(node));
  walk.out.insert(walk.out.end(), tokens.begin(), tokens.end());
  if (walk.trie.at(node).num_children == 0) return;
  auto& automaton = machine_.automaton();
  if (automaton.state(at).is_border()) {
    for (const std::uint32_t tag : automaton.at(at).tags) {
      thread_set after;
      machine_.advance(walk.owner, tag, walk.key, after);
      for (const thread& each : after.threads) walk_thread(walk.trie, node, each, walk.out);
    }
  }
  walk_thread(walk, node, at, at_least);
}

// The same for threads that may become each other, or many: in an ambiguous grammar. Most bytes of
// most tokens lead to places that are known already. Every place that a walk comes to has its
// price, known or not: whether it is too long must not depend on who came there before.
void mask_maker::walk_together(const vocabulary_trie& trie, std::uint32_t start, std::uint32_t from,
                               std::vector<token_id>& out) {
  constexpr std::size_t max_walk_cost = 1U << 14U;
  if (std::exchange(places_[from].walked, walk_) != walk_) {
    walk_cost_ += 1 + places_[from].at.threads.size();
  }
  has_lost_way_ = has_lost_way_ || walk_cost_ > max_walk_cost;
  if (is_incomplete()) return;
  const vocabulary_trie::node& here = trie.at(start);
  for (std::uint32_t i = here.children; i < here.children + here.num_children; ++i) {
    const auto& rooms = places_[from].rooms;
    const bool all_fit = std::any_of(rooms.begin(), rooms.end(), [&](const room& own) {
      return trie.is_within(i, own.characters, own.length);
    });
    if (!all_fit) {
      const std::uint32_t next = next_place(from, trie.byte(i));
      if (next == nowhere) continue;
      if (trie.at(i).num_children > 0) walk_together(trie, i, next, out);
    }
    const auto tokens = all_fit ? trie.tokens_below(trie.at(i)) : trie.tokens_at(trie.at(i));
    out.insert(out.end(), tokens.begin(), tokens.end());
  }
}

std::uint32_t mask_maker::find_place(thread_set reached) {
  std::uint64_t hash = hash_of(reached, &frame::hash);
  for (const thread& each : reached.threads) {
    if (each.in_key) hash = mix(hash, std::hash<std::string>()(each.key));
  }
  const auto [found, is_new] =
      place_index_.try_emplace(hash, static_cast<std::uint32_t>(places_.size()));
  if (!is_new) return found->second;
  place fresh;
  for (const thread& each : reached.threads) {
    const room own = rooms_.find(each.at, {});
    if (own.length > 0) fresh.rooms.push_back(own);
  }
  fresh.at = std::move(reached);
  constexpr std::size_t thread_bytes = 400;  // with the frames that are its own
  num_bytes_ += sizeof(place) + thread_bytes * (1 + fresh.at.threads.size());
  places_.push_back(std::move(fresh));
  return found->second;
}

std::uint32_t mask_maker::next_place(std::uint32_t from, std::uint8_t byte) {
  const auto known = places_[from].next.find(byte);
  if (known != places_[from].next.end()) return known->second;
  const thread_set moved = machine_.take(places_[from].at, static_cast<char>(byte));
  const std::uint32_t to = moved.threads.empty() ? nowhere : find_place(machine_.reach(moved));
  if (is_incomplete()) return nowhere;
  places_[from].next.emplace(byte, to);
  num_bytes_ += 48;
  return to;
}

}  // namespace troupe::grammar
