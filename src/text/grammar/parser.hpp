// Runs a grammar over bytes: a set of threads, each a stack of containers that are open and a place
// within a terminal. Threads are values; stacks are shared and never change, so that keeping an old
// state is keeping a pointer.
#pragma once
#include "text/grammar/rules.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace troupe::grammar {

// The keys of one object that are no declared members.
struct seen_keys {
  std::string spelled;  // with its quotes; a key has one spelling
  std::shared_ptr<const seen_keys> before;
  std::uint32_t size = 1;
  std::uint64_t hash = 0;
};

struct frame {
  container_index rule = unbounded;  // unbounded: the root
  std::uint32_t position = 0;        // objects: the first member that may still come
  std::uint32_t count = 0;           // items or members so far, the one in work included
  std::uint32_t depth = 0;
  std::shared_ptr<const seen_keys> seen;
  std::shared_ptr<const frame> parent;
  std::uint64_t hash = 0;
};
using frame_ptr = std::shared_ptr<const frame>;

struct thread {
  frame_ptr owner;
  byte_state at;
  std::string key;  // its bytes so far, when it may be one of `seen_keys`
  bool in_key = false;
};

struct thread_set {
  std::vector<thread> threads;
  bool may_end = false;  // the root is complete

  void add(thread fresh);
};

// Not safe to share among threads of the machine: tables grow while it runs.
class parser {
 public:
  parser(std::unique_ptr<language_pool> pool, rule_set rules);

  thread_set start();
  thread_set step(const thread_set& from, char byte);
  bool may_end(const thread_set& at);
  // Where a terminal of `owner` leads that ended with `tag`.
  void advance(const frame_ptr& owner, std::uint32_t tag, std::string_view key, thread_set& out);
  // A key that can only become one that was there already.
  bool is_blocked(const thread& at);
  // How many keys that were there already begin like this one.
  static std::uint32_t num_alike(const thread& at);

  byte_automaton& automaton() { return automaton_; }
  language_pool& pool() { return *pool_; }
  static constexpr std::size_t max_threads = 512;

 private:
  struct key_choice {  // which members and whether other names may come next
    std::uint32_t first = 0, last = 0;
    bool others = false;
    bool some() const { return first < last || others; }
    auto operator<=>(const key_choice&) const = default;
  };

  void enter(value_index value, const frame_ptr& parent, thread_set& out);
  void resume(const frame_ptr& owner, thread_set& out);
  void add(const frame_ptr& owner, language terminal, spelling how, thread_set& out) const;
  void after_array(const frame_ptr& owner, const array_rule& rule, std::uint32_t tag,
                   thread_set& out);
  void after_object(const frame_ptr& owner, const object_rule& rule, std::uint32_t tag,
                    std::string_view key, thread_set& out);
  void start_key(const frame_ptr& owner, const object_rule& rule, thread_set& out);
  key_choice choose_keys(const frame& at, const object_rule& rule) const;
  bool may_close(const frame& at, const object_rule& rule) const;
  language key_language(container_index index, const object_rule& rule, key_choice choice);
  language separator(char close, bool may_continue, bool may_close);
  bool can_nest(const frame_ptr& parent, container_index c) const;

  std::unique_ptr<language_pool> pool_;
  rule_set rules_;
  byte_automaton automaton_{*pool_};
  frame_ptr root_;
  language blanks_ = empty_word, colon_ = empty_word;
  std::map<std::tuple<container_index, std::uint32_t, std::uint32_t, bool>, language> keys_;
  std::map<std::tuple<char, bool, bool>, language> separators_;
};

// The blanks that may follow a bracket or a comma.
language blanks_language(language_pool& pool, whitespace kind);

}  // namespace troupe::grammar
