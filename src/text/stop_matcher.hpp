// Finds the first of several strings to complete in a text that arrives byte by byte
// (Aho-Corasick): O(1) amortised per byte, however many strings there are.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

class stop_matcher {
 public:
  explicit stop_matcher(const std::vector<std::string>& strings);

  // The string that ends with this byte, the longest if several do: an index into `strings`.
  std::optional<std::size_t> push(char byte);
  // How many of the last bytes are the beginning of some string: the most that could still match.
  std::size_t num_pending_bytes() const { return nodes_[state_].depth; }

 private:
  struct node {
    std::vector<std::pair<char, std::uint32_t>> children;
    std::uint32_t fallback = 0;  // the node of the longest proper suffix that is in the trie
    std::uint32_t depth = 0;     // bytes
    std::optional<std::size_t> match;
  };
  std::uint32_t child(std::uint32_t parent, char byte) const;  // 0: none
  std::uint32_t follow(std::uint32_t from, char byte) const;
  void link();

  std::vector<node> nodes_;  // [0]: the root
  std::uint32_t state_ = 0;
};

}  // namespace troupe
