#include "core/prefix_index.hpp"

#include <utility>

namespace troupe {
namespace {

constexpr prefix_key free_slot{};

}  // namespace

std::size_t prefix_key_set::find(const prefix_key& key) const {
  auto slot = home(key);
  while (slots_[slot] != key && slots_[slot] != free_slot) slot = after(slot);
  return slot;
}

void prefix_key_set::insert(const prefix_key& key) {
  if (key == free_slot) return;
  auto slot = find(key);
  if (slots_[slot] == key) return;
  slots_[slot] = key;
  if (++size_ * 4 > slots_.size() * 3) resize(slots_.size() * 2);
}

// Moves what stands behind the gap into it, where its home allows, so that no search ends too soon.
void prefix_key_set::erase(const prefix_key& key) {
  auto gap = find(key);
  if (slots_[gap] == free_slot) return;
  for (auto slot = after(gap); slots_[slot] != free_slot; slot = after(slot)) {
    auto distance = [&](std::size_t from) { return (slot - from) & (slots_.size() - 1); };
    if (distance(home(slots_[slot])) < distance(gap)) continue;
    slots_[gap] = slots_[slot];
    gap = slot;
  }
  slots_[gap] = free_slot;
  if (--size_ * 16 < slots_.size() * 3 && slots_.size() > least_slots) resize(slots_.size() / 2);
}

void prefix_key_set::resize(std::size_t num_slots) {
  auto old = std::move(slots_);
  slots_.assign(num_slots, free_slot);
  for (const auto& key : old)
    if (key != free_slot) slots_[find(key)] = key;
}

void prefix_index::add(replica_id replica, std::span<const prefix_key> keys) {
  if (keys.empty()) return;
  auto& known = by_replica_[replica];
  for (const auto& key : keys) known.insert(key);
}

void prefix_index::remove(replica_id replica, std::span<const prefix_key> keys) {
  auto it = by_replica_.find(replica);
  if (it == by_replica_.end()) return;
  for (const auto& key : keys) it->second.erase(key);
  if (it->second.size() == 0) by_replica_.erase(it);
}

void prefix_index::forget(replica_id replica) { by_replica_.erase(replica); }

std::uint32_t prefix_index::num_cached_pages(replica_id replica,
                                             std::span<const prefix_key> keys) const {
  auto it = by_replica_.find(replica);
  if (it == by_replica_.end()) return 0;
  std::uint32_t num = 0;
  while (num < keys.size() && it->second.contains(keys[num])) ++num;
  return num;
}

std::size_t prefix_index::num_entries() const {
  std::size_t sum = 0;
  for (const auto& [replica, keys] : by_replica_) sum += keys.size();
  return sum;
}

}  // namespace troupe
