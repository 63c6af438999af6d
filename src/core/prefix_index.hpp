// Which replica has which prefixes cached, as the replicas told. The router's side of
// core/prefix_journal.hpp.
#pragma once
#include "core/id.hpp"
#include "core/prefix_key.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace troupe {

// A set of keys in one block of memory: 16 bytes each at a fill of 3/16 to 3/4.
class prefix_key_set {
 public:
  bool contains(const prefix_key& key) const {
    return key != prefix_key{} && slots_[find(key)] == key;
  }
  void insert(const prefix_key& key);  // once, however often it is said; {0, 0} never
  void erase(const prefix_key& key);   // if it is there
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return slots_.size(); }

 private:
  std::size_t home(const prefix_key& key) const { return key.low & (slots_.size() - 1); }
  std::size_t after(std::size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  std::size_t find(const prefix_key& key) const;  // its slot, or the free one where it would go
  void resize(std::size_t num_slots);

  static constexpr std::size_t least_slots = 16;
  std::vector<prefix_key> slots_ = std::vector<prefix_key>(least_slots);  // a power of two
  std::size_t size_ = 0;
};

class prefix_index {
 public:
  void add(replica_id replica, std::span<const prefix_key> keys);
  void remove(replica_id replica, std::span<const prefix_key> keys);
  // All that is known of it. What it says afterwards counts again.
  void forget(replica_id replica);

  // How many of the first of these prefixes it has: up to the first that it lacks.
  std::uint32_t num_cached_pages(replica_id replica, std::span<const prefix_key> keys) const;
  std::size_t num_entries() const;  // of all replicas together

 private:
  std::unordered_map<replica_id, prefix_key_set> by_replica_;
};

}  // namespace troupe
