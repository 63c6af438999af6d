#include "text/token_table.hpp"

#include <bit>
#include <functional>

namespace troupe {

void token_table::reserve(std::size_t num_ids, std::size_t num_bytes) {
  spans_.resize(num_ids);
  arena_.reserve(num_bytes);
  slots_.assign(std::bit_ceil(2 * num_ids + 2), -1);
}

bool token_table::add(token_id id, std::string_view bytes) {
  auto& place = spans_[static_cast<std::size_t>(id)];
  auto& slot = slots_[find_slot(bytes)];
  if (bytes.empty() || place.num_bytes > 0 || slot >= 0) return false;
  place.offset = static_cast<std::uint32_t>(arena_.size());
  place.num_bytes = static_cast<std::uint32_t>(bytes.size());
  arena_ += bytes;
  slot = id;
  return true;
}

std::string_view token_table::bytes(token_id id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= spans_.size()) return {};
  const auto& place = spans_[static_cast<std::size_t>(id)];
  return {arena_.data() + place.offset, place.num_bytes};
}

bool token_table::contains(token_id id) const { return !bytes(id).empty(); }

token_id token_table::find(std::string_view bytes) const { return slots_[find_slot(bytes)]; }

std::size_t token_table::find_slot(std::string_view bytes) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(bytes)&mask;
  while (slots_[slot] >= 0 && this->bytes(slots_[slot]) != bytes) slot = (slot + 1) & mask;
  return slot;
}

}  // namespace troupe
