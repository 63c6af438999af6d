#include "core/node_roster.hpp"

#include <utility>

namespace troupe {
namespace {

std::string name_ranks(std::uint32_t node, std::uint32_t ranks_per_node) {
  const auto first = node * ranks_per_node;
  if (ranks_per_node == 1) return "rank " + std::to_string(first);
  return "ranks " + std::to_string(first) + " to " + std::to_string(first + ranks_per_node - 1);
}

void append(std::string& list, const std::string& item) {
  if (!list.empty()) list += ", ";
  list += item;
}

}  // namespace

std::string describe_difference(const group_terms& ours, const group_terms& theirs) {
  std::string out;
  const auto value_in = [](const group_terms& terms, const std::string& name) {
    const auto it = terms.find(name);
    return it == terms.end() ? std::string("unknown") : it->second;
  };
  auto names = ours;
  names.insert(theirs.begin(), theirs.end());
  for (const auto& [name, value] : names) {
    const auto here = value_in(ours, name), there = value_in(theirs, name);
    if (here != there) append(out, name + " (" + there + " there, " + here + " here)");
  }
  return out;
}

node_roster::node_roster(std::uint32_t num_nodes, std::uint32_t ranks_per_node)
    : seats_(num_nodes), ranks_per_node_(ranks_per_node) {
  seats_.front().now = state::ready;
}

refusal node_roster::join(std::uint32_t node, std::string host) {
  if (node == 0 || node >= seats_.size())
    return failure{error_code::invalid_argument,
                   "node " + std::to_string(node) + " is none of the nodes 1 to " +
                       std::to_string(seats_.size() - 1) + " that can join",
                   "--node-rank"};
  auto& s = seats_[node];
  if (s.now != state::absent)
    return failure{error_code::unavailable,
                   "node " + std::to_string(node) + " is here already, from " + s.host,
                   "--node-rank"};
  s = {.now = state::loading, .host = std::move(host)};
  return nothing{};
}

void node_roster::note_loaded(std::uint32_t node) {
  if (is_here(node)) seats_[node].now = state::ready;
}

void node_roster::note_word(std::uint32_t node) {
  if (is_here(node)) seats_[node].num_silent_looks = 0;
}

bool node_roster::remove(std::uint32_t node) {
  if (!is_here(node)) return false;
  seats_[node] = {};
  return true;
}

std::vector<std::uint32_t> node_roster::find_silent(std::uint32_t max_looks) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t node = 1; node < seats_.size(); ++node)
    if (is_here(node) && ++seats_[node].num_silent_looks > max_looks) out.push_back(node);
  return out;
}

bool node_roster::is_here(std::uint32_t node) const {
  return node < seats_.size() && seats_[node].now != state::absent;
}

bool node_roster::is_complete() const {
  for (const auto& s : seats_)
    if (s.now != state::ready) return false;
  return true;
}

std::uint32_t node_roster::num_ranks_present() const {
  std::uint32_t count = 0;
  for (const auto& s : seats_) count += s.now == state::ready ? ranks_per_node_ : 0;
  return count;
}

std::string node_roster::describe_missing() const {
  std::string out;
  for (std::uint32_t node = 1; node < seats_.size(); ++node) {
    const auto now = seats_[node].now;
    if (now == state::ready) continue;
    append(out, "node " + std::to_string(node) + " (" + name_ranks(node, ranks_per_node_) +
                    (now == state::absent ? ") is missing" : ") loads"));
  }
  return out;
}

}  // namespace troupe
