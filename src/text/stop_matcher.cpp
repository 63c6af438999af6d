#include "text/stop_matcher.hpp"

namespace troupe {

stop_matcher::stop_matcher(const std::vector<std::string>& strings) : nodes_(1) {
  for (std::size_t i = 0; i < strings.size(); ++i) {
    std::uint32_t at = 0;
    for (const char byte : strings[i]) {
      std::uint32_t next = child(at, byte);
      if (next == 0) {
        next = static_cast<std::uint32_t>(nodes_.size());
        nodes_[at].children.emplace_back(byte, next);
        nodes_.emplace_back().depth = nodes_[at].depth + 1;
      }
      at = next;
    }
    if (at != 0 && !nodes_[at].match) nodes_[at].match = i;
  }
  link();
}

std::uint32_t stop_matcher::child(std::uint32_t parent, char byte) const {
  for (const auto& [label, next] : nodes_[parent].children) {
    if (label == byte) return next;
  }
  return 0;
}

std::uint32_t stop_matcher::follow(std::uint32_t from, char byte) const {
  for (;; from = nodes_[from].fallback) {
    if (const std::uint32_t next = child(from, byte)) return next;
    if (from == 0) return 0;
  }
}

// Breadth first: a fallback is shallower than its node, so it is ready when it is needed.
void stop_matcher::link() {
  std::vector<std::uint32_t> order{0};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint32_t parent = order[i];
    for (const auto& [byte, at] : nodes_[parent].children) {
      node& here = nodes_[at];
      if (parent != 0) here.fallback = follow(nodes_[parent].fallback, byte);
      // The longest string that ends here: the node's own, or one that is a suffix of it.
      if (!here.match) here.match = nodes_[here.fallback].match;
      order.push_back(at);
    }
  }
}

std::optional<std::size_t> stop_matcher::push(char byte) {
  state_ = follow(state_, byte);
  return nodes_[state_].match;
}

}  // namespace troupe
