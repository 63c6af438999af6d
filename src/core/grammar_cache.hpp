// Grammars that were compiled, and sources that were refused, by their keys: bounded by count and
// by bytes, the one unused for longest gives way. Whoever runs with a grammar keeps it alive
// himself.
#pragma once
#include "core/bound_grammar.hpp"
#include "core/request.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace troupe {

class grammar_cache {
 public:
  grammar_cache(std::uint64_t max_bytes, std::size_t max_entries);
  grammar_cache(const grammar_cache&) = delete;
  grammar_cache& operator=(const grammar_cache&) = delete;

  // Null when the key is unknown, or no longer good: its time is over, or its grammar is exhausted
  // and must be made anew. A known key becomes the latest in use.
  const grammar_outcome<bound_grammar>* find(std::string_view key, steady_time now);
  // For a key that `find` does not know. What is larger than the whole cache is not kept.
  void add(std::string key, grammar_outcome<bound_grammar> made,
           steady_time good_until = steady_time::max());

  std::size_t size() const { return entries_.size(); }
  // As of the last `add`: grammars grow while answers run with them.
  std::uint64_t num_bytes() const { return num_bytes_; }

 private:
  struct entry {
    std::string key;
    grammar_outcome<bound_grammar> made;
    steady_time good_until;
  };
  using place = std::list<entry>::iterator;
  static std::uint64_t bytes_of(const entry& e);
  void remove(place e);

  std::uint64_t max_bytes_;
  std::size_t max_entries_;
  std::uint64_t num_bytes_ = 0;
  std::list<entry> entries_;  // latest in use first; places_ looks into their keys
  std::unordered_map<std::string_view, place> places_;
};

}  // namespace troupe
