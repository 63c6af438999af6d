// Which tokens may come next: the vocabulary's trie walked with the automaton of a terminal, once
// per place in it, and where tokens reach past the terminal, with the parser.
#pragma once
#include "text/grammar/parser.hpp"
#include "text/grammar/vocabulary.hpp"

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace troupe::grammar {

class mask_maker {
 public:
  mask_maker(std::shared_ptr<const vocabulary> words, parser& machine)
      : words_(std::move(words)), machine_(machine) {}

  // Adds the tokens that any of the threads may take.
  void fill(const thread_set& at, std::span<std::uint32_t> mask);

 private:
  // What a whole thread adds: tokens that reach past its terminal, other threads at this place.
  struct thread_mask {
    std::vector<token_id> tokens;
    thread_set beyond;
  };
  struct slack {
    std::uint32_t characters = 0;  // so many harmless characters always fit
    bool exact = false;            // and never one more
  };

  void add(const thread& at, std::span<std::uint32_t> mask);
  void fill_thread(const thread& at, std::span<std::uint32_t> mask);
  void take_blocked(const thread& at, std::span<std::uint32_t> mask);
  terminal_mask_ptr find_terminal(const byte_state& at);
  const thread_mask& find_thread(const thread& at, const terminal_mask& terminal);
  terminal_mask make_terminal(const byte_state& at);
  void walk_terminal(const vocabulary_trie& trie, const byte_state& at, terminal_mask& out);
  void add_long_tokens(const byte_state& at, terminal_mask& out);
  void walk_thread(const vocabulary_trie& trie, std::uint32_t node, const thread& at,
                   std::vector<token_id>& out);
  void walk_together(const vocabulary_trie& trie, std::uint32_t node, const thread_set& at,
                     std::vector<token_id>& out);
  slack find_slack(const byte_state& at);
  void forget_when_large();

  struct hasher {
    std::size_t operator()(const byte_state& s) const { return s.hash(); }
  };
  std::shared_ptr<const vocabulary> words_;
  parser& machine_;
  std::unordered_map<byte_state, terminal_mask_ptr, hasher> terminals_;
  std::unordered_set<language> endless_;  // contents that any harmless character keeps alive
  std::unordered_map<std::uint64_t, thread_mask> threads_;
  std::size_t num_bytes_ = 0;
};

}  // namespace troupe::grammar
