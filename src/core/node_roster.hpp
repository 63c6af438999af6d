// Which processes of a group are here. Node 0 is the one that asks; the others join it, load their
// weights, are heard of, fall silent. Pure: looks and words come from outside.
#pragma once
#include "core/outcome.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe {

// What must be equal for ranks to compute one model: a name for people, and its value.
using group_terms = std::map<std::string, std::string>;
// "context (512 there, 4096 here), ..."; empty if all are equal.
std::string describe_difference(const group_terms& ours, const group_terms& theirs);

class node_roster {
 public:
  node_roster(std::uint32_t num_nodes, std::uint32_t ranks_per_node);

  // Refuses a number that is none of 1 .. num_nodes - 1, or is taken (unavailable: come back).
  refusal join(std::uint32_t node, std::string host);
  void note_loaded(std::uint32_t node);
  void note_word(std::uint32_t node);
  // False if it was not here.
  bool remove(std::uint32_t node);

  // One look: answers whose word did not come between so many looks, this one included.
  std::vector<std::uint32_t> find_silent(std::uint32_t max_looks);

  bool is_here(std::uint32_t node) const;
  // All are here, with their weights.
  bool is_complete() const;
  std::uint32_t num_ranks_present() const;
  // "node 1 (ranks 2 to 3) is missing, node 2 (ranks 4 to 5) loads"; empty if complete.
  std::string describe_missing() const;

 private:
  enum class state : std::uint8_t { absent, loading, ready };
  struct seat {
    state now = state::absent;
    std::string host;
    std::uint32_t num_silent_looks = 0;
  };

  std::vector<seat> seats_;  // by node
  std::uint32_t ranks_per_node_;
};

}  // namespace troupe
