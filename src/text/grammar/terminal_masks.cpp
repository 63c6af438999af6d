// Masks of places in terminals, whatever the grammar around them.
#include "text/grammar/mask_maker.hpp"

#include <algorithm>
#include <atomic>

namespace troupe::grammar {
namespace {

// The characters of safe tokens.
const symbol_set safe_characters{{0x20, 0x21}, {0x23, 0x5B}, {0x5D, last_code_point}};

}  // namespace

terminal_mask_ptr mask_maker::find_terminal(const byte_state& at) {
  const auto found = terminals_.find(at);
  if (found != terminals_.end()) return found->second;
  byte_state near = at;
  near.at = machine_.pool().clipped(at.at, words_->max_token_bytes());
  const terminal_mask_cache::key key{machine_.pool().fingerprint(near.at), near.place()};
  terminal_mask_ptr made = words_->known_masks().find(key);
  if (!made) {
    static std::atomic<std::uint64_t> num_made = 0;
    terminal_mask fresh = make_terminal(near);
    fresh.id = ++num_made;
    made = std::make_shared<const terminal_mask>(std::move(fresh));
    // Where memory is used up, languages lack words: that must not become everybody's.
    if (!machine_.pool().is_exhausted()) words_->known_masks().add(key, made);
  }
  num_bytes_ += 64 + made->num_bytes();
  terminals_.emplace(at, made);
  return made;
}

terminal_mask mask_maker::make_terminal(const byte_state& at) {
  const slack room = find_slack(at);
  const bool endless = room.characters == unbounded;
  if (endless) {
    if (terminal_mask_ptr base = find_base(at)) return vary(at, std::move(base));
  }
  const bool sliced = room.exact || room.characters >= vocabulary::levels[0];
  terminal_walk walk{.trie = sliced ? words_->unsafe() : words_->all(),
                     .has_path = at.how == spelling::canonical};
  terminal_mask out;
  if (room.exact) {
    out.slice = &words_->safe_slice(room.characters);
    if (room.characters > vocabulary::max_slice && !endless) {
      out.slice = &words_->safe_slice(vocabulary::max_slice);
      const auto fit = words_->long_tokens(room.characters);
      walk.tokens.assign(fit.begin(), fit.end());
    }
  } else if (sliced) {
    add_sliced(at, room.characters, out, walk.tokens);
  }
  walk_below(walk, 0, machine_.automaton().find(at));
  out.tokens = token_set(std::move(walk.tokens), words_->num_mask_words());
  if (endless) {  // met so often that one bitmap is worth it
    out.tokens.join(*out.slice);
    out.slice = nullptr;
  }
  out.exits = std::move(walk.exits);
  if (endless && !walk.has_path) join_exits(out);
  return out;
}

// How many harmless characters fit at a place within a string: tokens of no more need no walk.
mask_maker::slack mask_maker::find_slack(const byte_state& at) {
  if (at.where != byte_state::phase::content || at.how == spelling::text) return {};
  if (const auto run = machine_.pool().run_of(safe_characters, at.at)) return {*run, true};
  const room own = rooms_.find(at, {});
  if (own.characters != harmless_groups) return {};
  return {own.length, own.length == unbounded};
}

// At least so many harmless characters fit: the tokens of no more, and which of the longer ones.
void mask_maker::add_sliced(const byte_state& at, std::uint32_t num_characters, terminal_mask& out,
                            std::vector<token_id>& tokens) {
  std::size_t level = vocabulary::levels.size() - 1;
  while (vocabulary::levels[level] > num_characters) --level;
  out.slice = &words_->safe_slice(vocabulary::levels[level]);
  // None of them leaves the string, so there are no exits.
  terminal_walk walk{.trie = words_->longer_than(level), .tokens = std::move(tokens)};
  walk_below(walk, 0, machine_.automaton().find(at));
  tokens = std::move(walk.tokens);
}

// Hundreds of ways out of a string go on alike: what may follow its end, as one trie.
void mask_maker::join_exits(terminal_mask& out) const {
  if (out.exits.size() < 2) return;
  const std::uint32_t tag = out.exits[0].tag;
  std::vector<vocabulary_trie::entry> entries;
  for (const terminal_mask::exit& way : out.exits) {
    if (way.tag != tag) return;
    const vocabulary_trie::node& node = way.trie->at(way.node);
    for (const token_id token : way.trie->tokens_below(node).subspan(node.num_tokens)) {
      entries.emplace_back(words_->bytes(token).substr(way.depth), token);
    }
  }
  out.joined = std::make_shared<const vocabulary_trie>(std::move(entries));
}

// Worth a search only where it may save more than it costs.
room mask_maker::find_room(const vocabulary_trie::node& from, index at, room at_least) {
  constexpr std::uint32_t many = 64;
  return from.end - from.first < many ? at_least
                                      : rooms_.find(machine_.automaton().state(at), at_least);
}

// A row is made only where many of its steps are asked for.
mask_maker::index mask_maker::find_next(const vocabulary_trie::node& from, index at,
                                        std::uint8_t byte) {
  constexpr std::uint16_t few = 4;
  auto& automaton = machine_.automaton();
  return from.num_children > few ? automaton.at(at).next(byte) : automaton.next(at, byte);
}

void mask_maker::walk_below(terminal_walk& walk, std::uint32_t node, index at, room at_least) {
  const vocabulary_trie::node& from = walk.trie.at(node);
  const room own = find_room(from, at, at_least);
  for (std::uint32_t i = from.children; i < from.children + from.num_children; ++i) {
    if (walk.trie.is_within(i, own.characters, own.length)) {
      const auto tokens = walk.trie.tokens_below(walk.trie.at(i));
      walk.tokens.insert(walk.tokens.end(), tokens.begin(), tokens.end());
      continue;
    }
    const std::uint8_t byte = walk.trie.byte(i);
    const index next = find_next(from, at, byte);
    if (next != byte_automaton::dead) take_node(walk, i, next, own.after(byte));
  }
}

void mask_maker::take_node(terminal_walk& walk, std::uint32_t node, index at, room at_least) {
  const auto tokens = walk.trie.tokens_at(walk.trie.at(node));
  walk.tokens.insert(walk.tokens.end(), tokens.begin(), tokens.end());
  if (walk.trie.at(node).num_children == 0) return;
  if (walk.has_path) walk.path += static_cast<char>(walk.trie.byte(node));
  ++walk.depth;
  add_exits(walk, node, at);
  walk_below(walk, node, at, at_least);
  --walk.depth;
  if (walk.has_path) walk.path.pop_back();
}

void mask_maker::add_exits(terminal_walk& walk, std::uint32_t node, index at) {
  auto& automaton = machine_.automaton();
  if (!automaton.state(at).is_border()) return;
  for (const std::uint32_t tag : automaton.at(at).tags) {
    walk.exits.push_back({&walk.trie, node, tag, walk.depth, walk.path});
  }
}

// Where some names are special among all texts, most characters lead to the place where none is any
// more, and that place is known.
terminal_mask_ptr mask_maker::find_base(const byte_state& at) {
  constexpr std::uint8_t rare = '~';
  auto& automaton = machine_.automaton();
  const index own = automaton.find(at);
  const index other = automaton.at(own).next(rare);
  if (other == byte_automaton::dead || other == own) return nullptr;
  if (automaton.at(other).next(rare) != other) return nullptr;
  const byte_state there = automaton.state(other);
  if (find_slack(there).characters != unbounded) return nullptr;
  terminal_mask_ptr base = find_terminal(there);
  return base->base ? nullptr : base;
}

// The mask of `at` as what is different from `base`, the mask of the place behind a rare character.
terminal_mask mask_maker::vary(const byte_state& at, terminal_mask_ptr base) {
  auto& automaton = machine_.automaton();
  terminal_walk walk{.trie = words_->unsafe(), .has_path = at.how == spelling::canonical};
  const index own = automaton.find(at);
  compare(walk, 0, own, automaton.at(own).next('~'));
  terminal_mask out;
  out.removed = std::move(walk.removed);
  out.tokens = token_set(std::move(walk.tokens), words_->num_mask_words());
  out.exits = std::move(walk.exits);
  const auto is_cut = [&](const terminal_mask::exit& way) {
    const vocabulary_trie::node& node = walk.trie.at(way.node);
    return std::any_of(walk.cuts.begin(), walk.cuts.end(), [&](const auto& cut) {
      const auto& [top, with_below] = cut;
      if (way.node == top) return true;
      // Nodes below have higher numbers.
      const vocabulary_trie::node& range = walk.trie.at(top);
      return with_below && way.node > top && node.first >= range.first && node.end <= range.end;
    });
  };
  if (base->joined && std::none_of(base->exits.begin(), base->exits.end(), is_cut)) {
    out.shares_exits = true;
  } else {
    std::remove_copy_if(base->exits.begin(), base->exits.end(), std::back_inserter(out.exits),
                        is_cut);
  }
  out.base = std::move(base);
  return out;
}

void mask_maker::compare(terminal_walk& walk, std::uint32_t node, index own, index other) {
  auto& automaton = machine_.automaton();
  const byte_automaton::row& here = automaton.at(own);
  const byte_automaton::row& there = automaton.at(other);
  const vocabulary_trie::node& from = walk.trie.at(node);
  for (std::uint32_t i = from.children; i < from.children + from.num_children; ++i) {
    const index left = here.next(walk.trie.byte(i)), right = there.next(walk.trie.byte(i));
    if (left == right) continue;
    if (left == byte_automaton::dead) {
      const auto tokens = walk.trie.tokens_below(walk.trie.at(i));
      walk.removed.insert(walk.removed.end(), tokens.begin(), tokens.end());
      walk.cuts.emplace_back(i, true);
    } else if (right == byte_automaton::dead) {
      take_node(walk, i, left);
    } else if (walk.trie.at(i).num_children > 0) {
      if (walk.has_path) walk.path += static_cast<char>(walk.trie.byte(i));
      ++walk.depth;
      if (automaton.at(left).tags != automaton.at(right).tags) {
        walk.cuts.emplace_back(i, false);
        add_exits(walk, i, left);
      }
      compare(walk, i, left, right);
      --walk.depth;
      if (walk.has_path) walk.path.pop_back();
    }
  }
}

}  // namespace troupe::grammar
