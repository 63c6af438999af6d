// Regular languages over symbols, hash-consed, with union, intersection, complement and bounded
// repeats. A language is at the same time a state of its own automaton: `arcs` are its derivatives,
// found when they are asked for, so that nothing is paid for states that no text reaches.
#pragma once
#include "text/grammar/compile_budget.hpp"

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::grammar {

// A code point of text (or of the content of a JSON string), or a byte outside of JSON strings.
using symbol = std::uint32_t;
inline constexpr symbol last_code_point = 0x10FFFF;
constexpr symbol outside(char byte) {
  return last_code_point + 1 + static_cast<unsigned char>(byte);
}
inline constexpr symbol last_symbol = last_code_point + 256;

struct symbol_range {
  symbol low = 0, high = 0;  // both inclusive
  auto operator<=>(const symbol_range&) const = default;
};
using symbol_set = std::vector<symbol_range>;  // sorted, disjoint, not touching
symbol_set normalised(symbol_set ranges);
symbol_set complement(const symbol_set& ranges, symbol last);

using language = std::uint32_t;  // an index into a language_pool
inline constexpr language no_word = 0, empty_word = 1, all_words = 2;
inline constexpr std::uint32_t unbounded = std::numeric_limits<std::uint32_t>::max();

struct arc {
  symbol low = 0, high = 0;
  language next = no_word;
};

// Not safe to share among threads.
class language_pool {
 public:
  language_pool();

  language set(symbol_set ranges);  // words of one symbol
  language one(symbol s) { return set({{s, s}}); }
  language concat(language a, language b);
  language concat(std::initializer_list<language> parts);
  language any_of(std::vector<language> parts);
  language both(language a, language b);
  language negated(language a);
  language minus(language a, language b) { return both(a, negated(b)); }
  language repeat(language a, std::uint32_t min, std::uint32_t max);
  language optional(language a) { return repeat(a, 0, 1); }
  // The empty word that says which alternative was read.
  language tag(std::uint32_t label);
  language code_points(std::u32string_view word);  // symbols below `outside`
  language bytes_outside(std::string_view word);
  // Words with what follows each; shares common beginnings. Sorts its argument.
  language words(std::vector<std::pair<std::u32string, language>>& list);
  // The same for many words of which now these, now those count: first a table of them all, then
  // the words from number `first` up to `last` of it. The words must outlive the pool.
  std::uint32_t add_names(const std::vector<std::pair<std::u32string_view, language>>& list);
  language names(std::uint32_t table, std::uint32_t first, std::uint32_t last);
  // Decimal digits (outside strings) whose value is a multiple of `numerator` / 10^`decimals`.
  language multiples(std::uint32_t numerator, std::uint32_t decimals);
  // Any text of `min` to `max` code points.
  language text(std::uint32_t min = 0, std::uint32_t max = unbounded);

  bool has_empty_word(language a) const { return nodes_[a].nullable; }
  void collect_tags(language a, std::vector<std::uint32_t>& out) const;
  const std::vector<arc>& arcs(language a);
  language next(language a, symbol s);  // no_word when nothing follows
  bool is_live(language a);             // holds a word at all
  // The same for languages of different pools that are built in the same way.
  std::uint64_t fingerprint(language a) const { return nodes_[a].fingerprint; }
  // Every text of code points is the beginning of a word, as far as that is plain to see.
  bool is_open(language a) const;
  // A language that nobody who reads at most `length` symbols can tell from this one: long counts
  // are none. Many languages share one.
  language clipped(language a, std::uint32_t length);
  // How many symbols of `all` come at most before something outside of strings must, when nothing
  // but their number is asked for; none for other languages.
  std::optional<std::uint32_t> run_of(const symbol_set& all, language a);
  // How many words it holds, but at most `limit`.
  std::uint64_t count_words(language a, std::uint64_t limit);
  // The same for what may come before the next symbol outside of strings.
  std::uint64_t count_contents(language a, std::uint64_t limit);
  // The words themselves when they are at most `limit` (code points only), else nothing.
  bool list_words(language a, std::size_t limit, std::vector<std::u32string>& out);
  bool contains(language a, std::u32string_view word);

  // While a grammar is compiled, all work counts; not afterwards.
  void set_budget(compile_budget* budget) { budget_ = budget; }
  // More languages than allowed were made; every one made since is no_word.
  bool is_exhausted() const { return exhausted_; }
  std::size_t size() const { return nodes_.size(); }
  std::size_t num_bytes() const { return num_bytes_; }
  void forget_arcs();  // they are found again when they are asked for

 private:
  enum class kind : std::uint8_t {
    none,
    empty,
    all,
    set,
    concat,
    any,
    both,
    negated,
    repeat,
    tag,
    modulo,
    names  // of table a, the sorted words b to c without their first d symbols
  };
  enum class life : std::uint8_t { unknown, live, dead };
  struct node {
    kind what = kind::none;
    bool nullable = false;
    bool plain = true;   // neither intersection nor complement: alive unless it is no_word
    bool finite = true;  // surely
    life alive = life::unknown;
    std::uint32_t a = 0, b = 0, c = 0, d = 0;
    std::uint64_t fingerprint = 0;
    language same = no_word;      // another node of the same hash
    std::vector<language> parts;  // of any and both; of names the first number and the last
    std::unique_ptr<const std::vector<arc>> arcs;
  };

  struct name_table {
    struct entry {
      std::u32string_view word;
      language ending = no_word;
      std::uint32_t number = 0;
    };
    std::vector<entry> sorted;
    bool plain = true, finite = true;
    std::uint64_t fingerprint = 0;
  };

  language intern(node fresh);
  language make_names(node range, std::uint32_t first, std::uint32_t last);
  std::vector<arc> name_arcs(const node& here);
  std::uint64_t find_fingerprint(const node& fresh) const;
  language make_both(std::vector<language> parts);
  bool join_repeats(std::vector<language>& parts, bool intersect);
  bool join_sets(std::vector<language>& parts, bool intersect);
  std::uint64_t count(language a, std::uint64_t limit, bool contents);
  std::vector<arc> find_arcs(language a);
  std::vector<arc> concat_arcs(const node& here);
  std::vector<arc> modulo_arcs(const node& here);
  std::vector<arc> both_arcs(const std::vector<language>& parts);
  std::vector<arc> negated_arcs(language inner);
  std::vector<arc> any_arcs(const std::vector<arc>& all);
  language modulo(std::uint32_t numerator, std::uint32_t decimals, std::uint32_t rest,
                  std::uint32_t phase);
  language words_from(std::span<std::pair<std::u32string, language>> list, std::size_t depth);

  std::deque<node> nodes_;
  std::vector<symbol_set> sets_;
  std::deque<name_table> names_;
  std::unordered_map<std::uint64_t, language> index_;  // by hash; node::same goes on from there
  std::map<symbol_set, language> set_index_;
  bool can_afford(std::uint64_t steps) {
    if (budget_ != nullptr && !budget_->spend(steps)) exhausted_ = true;
    return !exhausted_;
  }

  compile_budget* budget_ = nullptr;
  std::size_t num_bytes_ = 0;
  bool exhausted_ = false;
};

}  // namespace troupe::grammar
