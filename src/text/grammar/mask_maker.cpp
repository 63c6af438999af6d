#include "text/grammar/mask_maker.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

using phase = byte_state::phase;

constexpr std::size_t many_tokens = 1'024;  // from here on a bitmap is faster than a list
constexpr std::size_t max_cached_bytes = 16U << 20U;
constexpr std::size_t max_rows = 32'768;  // 1 KB each
constexpr std::size_t max_level = 4'096;  // states looked at to find how much slack there is

// The characters of safe tokens.
constexpr std::array<symbol_range, 3> safe_characters{
    {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, last_code_point}}};

std::uint64_t hash_of(const thread& at) {
  const std::uint64_t h = (at.at.hash() ^ (at.owner->hash << 1U)) * 0x9E3779B97F4A7C15ULL;
  return h ^ (h >> 30U);
}

void add_words(std::span<std::uint32_t> mask, const mask_words& more) {
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] |= more[i];
}

}  // namespace

void mask_maker::fill(const thread_set& at, std::span<std::uint32_t> mask) {
  forget_when_large();
  for (const thread& each : at.threads) add(each, mask);
}

void mask_maker::add(const thread& at, std::span<std::uint32_t> mask) {
  if (parser::num_alike(at) == 0) return fill_thread(at, mask);
  mask_words own(mask.size());
  fill_thread(at, own);
  take_blocked(at, own);
  add_words(mask, own);
}

void mask_maker::forget_when_large() {
  if (num_bytes_ < max_cached_bytes && machine_.automaton().num_rows() < max_rows) return;
  terminals_.clear();
  threads_.clear();
  machine_.automaton().clear();
  num_bytes_ = 0;
}

void mask_maker::fill_thread(const thread& at, std::span<std::uint32_t> mask) {
  const terminal_mask_ptr found = find_terminal(at.at);
  const terminal_mask& terminal = *found;
  if (terminal.slice != nullptr) add_words(mask, *terminal.slice);
  if (!terminal.bits.empty()) add_words(mask, terminal.bits);
  for (const token_id token : terminal.tokens) set_bit(mask, token);
  const thread_mask& own = find_thread(at, terminal);
  for (const token_id token : own.tokens) set_bit(mask, token);
  for (const thread& next : own.beyond.threads) add(next, mask);
}

// Takes out the tokens after which a key could only be one that the object has.
void mask_maker::take_blocked(const thread& at, std::span<std::uint32_t> mask) {
  const vocabulary_trie& trie = words_->all();
  for (auto seen = at.owner->seen.get(); seen != nullptr; seen = seen->before.get()) {
    if (!seen->spelled.starts_with(at.key)) continue;
    thread moved = at;
    std::uint32_t node = 0;
    for (std::size_t i = at.key.size(); i < seen->spelled.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(seen->spelled[i]);
      node = trie.child(node, byte);
      if (node == 0) break;
      auto& automaton = machine_.automaton();
      const auto next = automaton.at(automaton.find(moved.at)).next[byte];
      if (next == byte_automaton::dead) break;
      moved.at = automaton.state(next);
      moved.key += seen->spelled[i];
      if (!machine_.is_blocked(moved)) continue;
      for (const token_id token : trie.tokens_below(node)) {
        mask[static_cast<std::uint32_t>(token) / 32] &=
            ~(1U << (static_cast<std::uint32_t>(token) % 32));
      }
      break;
    }
  }
}

terminal_mask_ptr mask_maker::find_terminal(const byte_state& at) {
  terminal_mask_ptr& place = terminals_[at];
  if (place) return place;
  const terminal_mask_cache::key key{machine_.pool().fingerprint(at.at), at.place()};
  place = words_->known_masks().find(key);
  if (!place) {
    place = std::make_shared<const terminal_mask>(make_terminal(at));
    words_->known_masks().add(key, place);
  }
  num_bytes_ += place->num_bytes();
  return place;
}

terminal_mask mask_maker::make_terminal(const byte_state& at) {
  terminal_mask out;
  const slack room = find_slack(at);
  const bool is_long = room.characters >= vocabulary::max_slice;
  if (room.exact || is_long) {
    const bool endless = room.characters == unbounded;
    out.slice =
        &words_->safe_slice(endless ? unbounded : std::min(room.characters, vocabulary::max_slice));
    walk_terminal(words_->unsafe(), at, out);
    if (!endless && !(room.exact && room.characters == vocabulary::max_slice)) {
      if (is_long) add_long_tokens(at, out);
    }
  } else {
    walk_terminal(words_->all(), at, out);
  }
  if (out.tokens.size() >= many_tokens) {
    out.bits.assign(words_->num_mask_words(), 0);
    for (const token_id token : out.tokens) set_bit(out.bits, token);
    out.tokens = {};
  }
  out.tokens.shrink_to_fit();
  return out;
}

void mask_maker::walk_terminal(const vocabulary_trie& trie, const byte_state& at,
                               terminal_mask& out) {
  auto& automaton = machine_.automaton();
  const auto& nodes = trie.nodes();
  std::vector<std::pair<std::uint32_t, const byte_automaton::row*>> open;  // node's end, row there
  const byte_automaton::row* row = &automaton.at(automaton.find(at));
  std::string path;
  for (std::uint32_t i = 1; i < nodes.size();) {
    while (!open.empty() && open.back().first <= i) {
      row = open.back().second;
      open.pop_back();
      path.pop_back();
    }
    const vocabulary_trie::node& node = nodes[i];
    const auto next = row->next[node.byte];
    if (next == byte_automaton::dead) {
      i = node.end;
      continue;
    }
    const auto tokens = trie.tokens_at(node);
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
    if (node.end == i + 1) {  // a leaf: whatever follows is not its business
      ++i;
      continue;
    }
    const byte_automaton::row& below = automaton.at(next);
    open.emplace_back(node.end, row);
    path += static_cast<char>(node.byte);
    for (const std::uint32_t tag : below.tags) {
      out.exits.push_back({&trie, i, tag, at.how == spelling::canonical ? path : std::string()});
    }
    row = &below;
    ++i;
  }
}

void mask_maker::add_long_tokens(const byte_state& at, terminal_mask& out) {
  auto& automaton = machine_.automaton();
  for (const token_id token : words_->long_tokens()) {
    auto here = automaton.find(at);
    for (const char byte : words_->bytes(token)) {
      here = automaton.at(here).next[static_cast<unsigned char>(byte)];
      if (here == byte_automaton::dead) break;
    }
    if (here != byte_automaton::dead) out.tokens.push_back(token);
  }
}

const mask_maker::thread_mask& mask_maker::find_thread(const thread& at,
                                                       const terminal_mask& terminal) {
  static const thread_mask none;
  auto& automaton = machine_.automaton();
  const auto tags = automaton.at(automaton.find(at.at)).tags;
  if (terminal.exits.empty() && tags.empty()) return none;
  const std::uint64_t hash = hash_of(at);
  // A key's own bytes are not part of its hash; where they matter nothing is remembered.
  const bool keep = !at.in_key;
  if (keep) {
    const auto found = threads_.find(hash);
    if (found != threads_.end()) return found->second;
  }
  thread_mask fresh;
  machine_.advance_all(at.owner, tags, at.key, fresh.beyond);
  std::unordered_map<std::uint32_t, thread_set> by_tag;
  for (const terminal_mask::exit& way : terminal.exits) {
    thread_set own;
    thread_set* next = &own;
    if (at.in_key) {
      machine_.advance(at.owner, way.tag, at.key + way.key, own);
    } else {
      const auto [known, is_new] = by_tag.try_emplace(way.tag);
      if (is_new) machine_.advance(at.owner, way.tag, {}, known->second);
      next = &known->second;
    }
    if (machine_.find_production(*at.owner) != nullptr) {
      walk_together(*way.trie, way.node, *next, fresh.tokens);
      continue;
    }
    for (const thread& each : next->threads) walk_thread(*way.trie, way.node, each, fresh.tokens);
  }
  std::sort(fresh.tokens.begin(), fresh.tokens.end());
  fresh.tokens.erase(std::unique(fresh.tokens.begin(), fresh.tokens.end()), fresh.tokens.end());
  fresh.tokens.shrink_to_fit();
  num_bytes_ += 256 + 4 * fresh.tokens.size() + sizeof(thread) * fresh.beyond.threads.size();
  thread_mask& place = threads_[hash];
  place = std::move(fresh);
  return place;
}

// The tokens below a node that `at`, which stands there, may take.
void mask_maker::walk_thread(const vocabulary_trie& trie, std::uint32_t start, const thread& at,
                             std::vector<token_id>& out) {
  auto& automaton = machine_.automaton();
  const auto& nodes = trie.nodes();
  std::vector<std::pair<std::uint32_t, const byte_automaton::row*>> open;
  const byte_automaton::row* row = &automaton.at(automaton.find(at.at));
  std::string path = at.key;
  for (std::uint32_t i = start + 1; i < nodes[start].end;) {
    while (!open.empty() && open.back().first <= i) {
      row = open.back().second;
      open.pop_back();
      path.pop_back();
    }
    const vocabulary_trie::node& node = nodes[i];
    const auto next = row->next[node.byte];
    path += static_cast<char>(node.byte);
    thread moved;
    bool blocked = next == byte_automaton::dead;
    if (!blocked && at.in_key && at.owner->seen) {
      moved = {at.owner, automaton.state(next), path, true};
      blocked = machine_.is_blocked(moved);
    }
    if (blocked) {
      path.pop_back();
      i = node.end;
      continue;
    }
    const auto tokens = trie.tokens_at(node);
    out.insert(out.end(), tokens.begin(), tokens.end());
    const byte_automaton::row& below = automaton.at(next);
    open.emplace_back(node.end, row);
    if (node.end > i + 1) {
      for (const std::uint32_t tag : below.tags) {
        thread_set after;
        machine_.advance(at.owner, tag, at.in_key ? path : std::string(), after);
        for (const thread& each : after.threads) walk_thread(trie, i, each, out);
      }
    }
    row = &below;
    ++i;
  }
}

// The same for threads that may become each other, or many: in an ambiguous grammar. They have
// reached all that they can without a byte.
void mask_maker::walk_together(const vocabulary_trie& trie, std::uint32_t start,
                               const thread_set& at, std::vector<token_id>& out) {
  const auto& nodes = trie.nodes();
  for (std::uint32_t i = start + 1; i < nodes[start].end; i = nodes[i].end) {
    const thread_set moved = machine_.take(at, static_cast<char>(nodes[i].byte));
    if (moved.threads.empty()) continue;
    const auto tokens = trie.tokens_at(nodes[i]);
    out.insert(out.end(), tokens.begin(), tokens.end());
    if (nodes[i].end > i + 1) walk_together(trie, i, machine_.reach(moved), out);
  }
}

// Level by level: as long as every harmless character is possible, any token of so many fits.
mask_maker::slack mask_maker::find_slack(const byte_state& at) {
  if (at.where != phase::content || at.how == spelling::text) return {};
  language_pool& pool = machine_.pool();
  if (pool.is_open(at.at) || endless_.contains(at.at)) return {unbounded, true};
  std::vector<language> known{at.at};  // by level
  std::unordered_map<language, std::size_t> places{{at.at, 0}};
  std::size_t level_begin = 0;
  bool loops = false;
  for (std::uint32_t length = 0;; ++length) {
    const std::size_t level_end = known.size();
    bool all_dead = true, all_whole = true;
    for (std::size_t i = level_begin; i < level_end; ++i) {
      for (const symbol_range& range : safe_characters) {
        symbol covered = range.low;
        for (const arc& step : pool.arcs(known[i])) {
          if (step.high < range.low || step.low > range.high || !pool.is_live(step.next)) continue;
          all_dead = false;
          if (step.low <= covered) covered = step.high + 1;
          if (endless_.contains(step.next)) {
            loops = true;
            continue;
          }
          const auto [place, is_new] = places.emplace(step.next, known.size());
          if (is_new) known.push_back(step.next);
          loops = loops || place->second < level_end;
        }
        all_whole = all_whole && covered > range.high;
      }
    }
    if (all_dead) return {length, !loops};
    if (!all_whole) return {length, false};
    if (known.size() == level_end) {
      endless_.insert(known.begin(), known.end());
      return {unbounded, true};
    }
    if (length >= vocabulary::max_slice || known.size() > max_level) return {length, false};
    level_begin = level_end;
  }
}

}  // namespace troupe::grammar
