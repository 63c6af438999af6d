// State by key for keys that clients choose: bounded, the one unused for longest gives way. O(1).
#pragma once
#include <algorithm>
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace troupe {

template <class State>
class bounded_table {
 public:
  explicit bounded_table(std::size_t max_keys) : max_keys_(std::max<std::size_t>(1, max_keys)) {}
  bounded_table(const bounded_table&) = delete;
  bounded_table& operator=(const bounded_table&) = delete;

  // Null when the key is unknown. A known key becomes the latest in use.
  State* find(std::string_view key) {
    auto it = places_.find(key);
    if (it == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, it->second);
    return &it->second->state;
  }

  // For a key that `find` does not know.
  State& add(std::string_view key, State state) {
    if (entries_.size() >= max_keys_) {
      places_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front({std::string(key), std::move(state)});
    places_.emplace(entries_.front().key, entries_.begin());
    return entries_.front().state;
  }

  std::size_t size() const { return entries_.size(); }

 private:
  struct entry {
    std::string key;
    State state;
  };

  std::size_t max_keys_;
  std::list<entry> entries_;  // latest in use first; places_ looks into their keys
  std::unordered_map<std::string_view, typename std::list<entry>::iterator> places_;
};

}  // namespace troupe
