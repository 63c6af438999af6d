// How many connections each address has. Bounded by the connections themselves.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace troupe {

class address_count {
 public:
  // False if the address has `max` already; nothing is counted then.
  bool enter(const std::string& key, std::uint32_t max) {
    auto& num = counts_[key];
    if (num >= max) return false;
    ++num;
    return true;
  }
  // Once for each `enter` that was true.
  void leave(const std::string& key) {
    auto it = counts_.find(key);
    if (it != counts_.end() && --it->second == 0) counts_.erase(it);
  }
  std::size_t num_addresses() const { return counts_.size(); }

 private:
  std::unordered_map<std::string, std::uint32_t> counts_;
};

}  // namespace troupe
