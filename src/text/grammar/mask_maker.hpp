// Which tokens may come next: the vocabulary's trie walked with the automaton of a terminal, once
// per place in it, and where tokens reach past the terminal, with the parser. Everything found is
// kept; what is true whatever the grammar around a terminal is kept for all grammars.
#pragma once
#include "text/grammar/mask_room.hpp"
#include "text/grammar/parser.hpp"
#include "text/grammar/vocabulary.hpp"

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::grammar {

class mask_maker {
 public:
  mask_maker(std::shared_ptr<const vocabulary> words, parser& machine)
      : words_(std::move(words)), machine_(machine), rooms_(machine.pool()) {}

  // Before any other work: drops what can be found again where the grammar has grown large.
  void forget_when_large();
  // Writes the tokens that any of the threads may take, and says whether the text may end here. Not
  // all of them where the parser or a walk has lost its way: nothing of such a mask is kept.
  bool fill(const thread_set& at, std::span<std::uint32_t> mask);
  // A walk through an ambiguous grammar was longer than one may be.
  bool has_lost_way() const { return has_lost_way_; }
  void forget_lost_way() { has_lost_way_ = false; }
  std::size_t num_bytes() const { return num_bytes_ + rooms_.num_bytes(); }

 private:
  using index = byte_automaton::index;
  struct whole_mask {
    mask_words bits;
    bool may_end = false;
  };
  struct slack {
    std::uint32_t characters = 0;  // so many harmless characters always fit
    bool exact = false;            // and never one more
  };
  // A walk through a trie: what it finds, and the bytes on the way where they are a key's.
  // Where threads of an ambiguous grammar are together, all reached that needs no byte.
  struct place {
    thread_set at;
    std::vector<room> rooms;  // of those threads that have one
    std::unordered_map<std::uint8_t, std::uint32_t> next;
    std::uint64_t walked = 0;  // by which walk last
  };
  static constexpr std::uint32_t nowhere = unbounded;
  struct terminal_walk {
    const vocabulary_trie& trie;
    bool has_path = false;
    std::string path;
    std::uint32_t depth = 0;
    std::vector<token_id> tokens;
    std::vector<terminal_mask::exit> exits;
    std::vector<token_id> removed;                     // these two only beside a base
    std::vector<std::pair<std::uint32_t, bool>> cuts;  // exits at a node or, if so, below it
  };

  struct thread_walk {
    const vocabulary_trie& trie;
    const frame_ptr& owner;
    bool in_key = false, may_block = false;
    std::string key;
    std::vector<token_id>& out;
  };

  const whole_mask* find_whole(std::uint64_t shape, std::uint64_t hash) const;
  void add(const thread& at, std::span<std::uint32_t> mask);
  void add_thread(const thread& at, std::span<std::uint32_t> mask);
  void take_blocked(const thread& at, std::span<std::uint32_t> mask);
  terminal_mask_ptr find_terminal(const byte_state& at);
  terminal_mask make_terminal(const byte_state& at);
  terminal_mask_ptr find_base(const byte_state& at);
  void join_exits(terminal_mask& out) const;
  terminal_mask vary(const byte_state& at, terminal_mask_ptr base);
  void compare(terminal_walk& walk, std::uint32_t node, index own, index other);
  void walk_below(terminal_walk& walk, std::uint32_t node, index at, room at_least = {});
  void take_node(terminal_walk& walk, std::uint32_t node, index at, room at_least = {});
  void add_exits(terminal_walk& walk, std::uint32_t node, index at);
  index find_next(const vocabulary_trie::node& from, index at, std::uint8_t byte);
  room find_room(const vocabulary_trie::node& from, index at, room at_least);
  void add_sliced(const byte_state& at, std::uint32_t num_characters, terminal_mask& out,
                  std::vector<token_id>& tokens);
  void add_beyond(const thread& at, const terminal_mask& terminal, std::span<std::uint32_t> mask);
  bool walk_exits(const thread& at, const terminal_mask& terminal, std::vector<token_id>& out);
  void walk_thread(const vocabulary_trie& trie, std::uint32_t node, const thread& at,
                   std::vector<token_id>& out);
  void walk_thread(thread_walk& walk, std::uint32_t node, index at, room at_least = {});
  void take_node(thread_walk& walk, std::uint32_t node, index at, room at_least);
  bool is_incomplete() const { return has_lost_way_ || machine_.has_lost_way(); }
  std::uint32_t find_place(thread_set reached);
  std::uint32_t next_place(std::uint32_t from, std::uint8_t byte);
  void walk_together(const vocabulary_trie& trie, std::uint32_t node, std::uint32_t from,
                     std::vector<token_id>& out);
  slack find_slack(const byte_state& at);

  struct hasher {
    std::size_t operator()(const byte_state& s) const { return s.hash(); }
  };
  std::shared_ptr<const vocabulary> words_;
  parser& machine_;
  room_finder rooms_;
  std::unordered_map<byte_state, terminal_mask_ptr, hasher> terminals_;
  // What threads add past their terminals, and whole masks: by shape where no object's keys
  // matter, else by hash.
  std::unordered_map<std::uint64_t, token_set> beyond_;
  std::unordered_map<std::uint64_t, whole_mask> whole_;
  std::unordered_map<std::uint64_t, int> met_;  // masks that are not kept yet: how often made
  bool needs_key_ = false;                      // the mask in work depends on the bytes of a key
  bool may_end_ = false;                        // the text may end where the mask in work is
  bool is_written_ = false;  // something of it is there; before, it may hold anything
  std::deque<place> places_;
  std::unordered_map<std::uint64_t, std::uint32_t> place_index_;
  std::uint64_t walk_ = 0;
  std::size_t walk_cost_ = 0;
  bool has_lost_way_ = false;
  std::size_t num_bytes_ = 0;
};

}  // namespace troupe::grammar
