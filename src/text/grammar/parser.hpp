// Runs a grammar over bytes: a set of threads, each a stack of containers that are open and a place
// within a terminal. Threads are values; stacks are shared and never change, so that keeping an old
// state is keeping a pointer.
#pragma once
#include "text/grammar/rules.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace troupe::grammar {

// The keys of one object that are no declared members.
struct seen_keys {
  std::string spelled;  // with its quotes; a key has one spelling. Empty: not known which key
  std::shared_ptr<const seen_keys> before;
  std::uint32_t size = 1;
  std::uint64_t hash = 0;
};

struct frame {
  container_index rule = unbounded;  // unbounded: the root
  // Objects: the first member that may still come. Productions: the language that follows what was
  // entered.
  std::uint32_t position = 0;
  std::uint32_t count = 0;       // items or members so far, the one in work included
  std::uint32_t near_count = 0;  // the same for all counts that no token can tell apart
  std::uint32_t depth = 0;
  std::shared_ptr<const seen_keys> seen;
  mutable std::shared_ptr<const frame> parent;
  mutable std::vector<std::shared_ptr<const frame>> parents;  // productions: further ones
  std::uint64_t shape = 0;  // a hash of what tokens can tell apart but for `seen`, parents included
  std::uint64_t hash = 0;   // of all of it

  frame() = default;
  frame(const frame&) = default;
  frame(frame&&) = default;
  frame& operator=(const frame&) = delete;
  ~frame();  // without recursion, for stacks may be deep
};
using frame_ptr = std::shared_ptr<const frame>;
frame_ptr make_frame(frame f);  // with its hash

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
  // `sight`: of bytes, as far as frames of the same shape are alike.
  parser(std::unique_ptr<language_pool> pool, rule_set rules, std::uint32_t sight = unbounded);

  thread_set start();
  thread_set step(const thread_set& from, char byte);
  // Steps while they need no more than the automaton: how many bytes.
  std::size_t skip(thread_set& at, std::string_view bytes);
  bool may_end(const thread_set& at);
  // The byte without which nothing comes next; none where there is a choice, or where only the keys
  // that were there leave none.
  std::optional<char> only_byte(const thread_set& at);
  // A step in its two halves: all places that are reached without a byte, those in a terminal that
  // has begun included, and past a byte from there.
  thread_set reach(const thread_set& from);
  thread_set take(const thread_set& from, char byte);
  // Where a terminal of `owner` leads that ended with `tag`, or with all of `tags`.
  void advance(const frame_ptr& owner, std::uint32_t tag, std::string_view key, thread_set& out);
  void advance_all(const frame_ptr& owner, std::span<const std::uint32_t> tags,
                   std::string_view key, thread_set& out);
  const production_rule* find_production(const frame& at) const {
    return at.rule == unbounded ? nullptr
                                : std::get_if<production_rule>(&rules_.containers[at.rule].what);
  }
  // A key that can only become one that was there already.
  bool is_blocked(const thread& at);
  // How many keys that were there already begin like this one.
  std::uint32_t num_alike(const thread& at);
  // Whether that matters for a key.
  bool has_seen(const thread& at) {
    ++num_looks_;
    return at.owner->seen != nullptr;
  }
  // How often the answer could have been another one for other `seen_keys`.
  std::uint64_t num_looks() const { return num_looks_; }
  // Whether some object's key that was not known was looked at since the last time.
  bool has_missed_key() { return std::exchange(has_missed_key_, false); }

  // Readings of a text at one place are bounded. Whether some were left out since this was last
  // forgotten: whatever was found meanwhile may lack something, and must not be kept.
  bool has_lost_way() const { return has_lost_way_; }
  void forget_lost_way() { has_lost_way_ = false; }

  byte_automaton& automaton() { return automaton_; }
  language_pool& pool() { return *pool_; }
  std::size_t num_bytes() const;
  static constexpr std::size_t max_threads = 512;

 private:
  struct key_choice {  // which members and whether other names may come next
    std::uint32_t first = 0, last = 0;
    bool others = false;
    bool some() const { return first < last || others; }
    auto operator<=>(const key_choice&) const = default;
  };

  // What is known while places are looked for that need no byte: parser_productions.cpp.
  struct closure;
  // A language without the empty word, and the tags of its empty words.
  struct split_language {
    language proper = no_word;
    std::vector<std::uint32_t> tags;
  };

  void enter(value_index value, const frame_ptr& parent, thread_set& out);
  void resume(const frame_ptr& owner, thread_set& out);
  void add(const frame_ptr& owner, language terminal, spelling how, thread_set& out) const;
  static frame_ptr counted(const frame& from, std::uint32_t position, std::uint32_t min,
                           std::uint32_t max, std::uint32_t sight = unbounded);
  bool is_seen(const frame& at, std::string_view spelled);
  void after_array(const frame_ptr& owner, const array_rule& rule, std::uint32_t tag,
                   thread_set& out);
  void after_object(const frame_ptr& owner, const object_rule& rule, std::uint32_t tag,
                    std::string_view key, thread_set& out);
  void start_key(const frame_ptr& owner, const object_rule& rule, thread_set& out);
  key_choice choose_keys(const frame& at, const object_rule& rule);
  static bool may_close(const frame& at, const object_rule& rule);
  std::uint32_t name_table(container_index index, const object_rule& rule);
  language key_ending(std::uint32_t choice);
  language key_language(container_index index, const object_rule& rule, key_choice choice);
  language separator(char close, bool may_continue, bool may_close);
  bool can_nest(const frame_ptr& parent, container_index c) const;
  bool can_stand(container_index c, std::uint32_t depth) const {
    return depth + rules_.containers[c].height <= rules_.max_depth + 1;
  }
  // What tags of a production say together.
  struct tag_ways {
    std::vector<std::pair<const production_rule::call*, language>> calls;  // and what follows
    std::vector<std::uint32_t> endings;
    bool closes = false;
  };
  using tag_list = std::pair<const production_rule::table*, std::vector<std::uint32_t>>;

  void enter_production(container_index c, const frame_ptr& parent, thread_set& out);
  void enter_frame(closure& now, container_index c, std::uint32_t depth, bool counted,
                   std::vector<frame_ptr> returns);
  const tag_ways& ways_of(const production_rule& rule, std::span<const std::uint32_t> tags);
  void pass(closure& now, const frame_ptr& owner, std::span<const std::uint32_t> tags,
            bool counted);
  void call(closure& now, const frame_ptr& owner, const production_rule::call& entered,
            language next, bool counted);
  void wait(closure& now, const frame& owner, const production_rule::call& entered, language next,
            std::vector<frame_ptr> parents, bool counted);
  void enter_for(closure& now, const frame& owner, const production_rule::call& entered,
                 const frame_ptr& returns, bool waits, bool counted) const;
  language without_end(language a, const production_rule& rule);
  void complete(closure& now, const frame_ptr& owner);
  void finish(closure& now);
  const split_language& split(language a);
  void add_alike(thread fresh, thread_set& out) const;

  std::unique_ptr<language_pool> pool_;
  rule_set rules_;
  std::uint32_t sight_;
  byte_automaton automaton_{*pool_};
  frame_ptr root_;
  language blanks_ = empty_word, colon_ = empty_word;
  struct brackets {
    language open = no_word, close = no_word;
  };
  brackets array_, object_;
  std::uint64_t num_looks_ = 0;
  bool has_missed_key_ = false;
  bool has_lost_way_ = false;
  std::map<std::tuple<container_index, std::uint32_t, std::uint32_t, bool>, language> keys_;
  std::map<container_index, std::uint32_t> name_tables_;
  std::map<std::tuple<char, bool, bool>, language> separators_;
  std::unordered_map<language, split_language> splits_;
  std::map<tag_list, tag_ways> ways_;
  std::map<std::pair<language, language>, language> unended_;
};

// The blanks that may follow a bracket or a comma.
language blanks_language(language_pool& pool, whitespace kind);

}  // namespace troupe::grammar
