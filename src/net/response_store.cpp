#include "net/response_store.hpp"

#include <utility>

namespace troupe {
namespace {

constexpr std::size_t bytes_of_entry = 512;  // beside its texts

std::size_t count_bytes(const stored_response& response) {
  auto sum = bytes_of_entry + response.json.size() + response.messages.size();
  for (auto& item : response.input_items) sum += item.size() + sizeof item;
  for (auto& id : response.input_ids) sum += id.size() + sizeof id;
  return sum;
}

}  // namespace

void response_store::put(std::string id, std::uint64_t owner, stored_response response) {
  auto num_bytes = count_bytes(response);
  if (limits_.max_responses == 0 || num_bytes > limits_.max_bytes) return;
  auto kept = std::make_shared<const stored_response>(std::move(response));
  std::lock_guard lock(mutex_);
  if (auto old = by_id_.find(id); old != by_id_.end()) drop(old->second);
  while (entries_.size() >= limits_.max_responses || num_bytes_ + num_bytes > limits_.max_bytes)
    drop(std::prev(entries_.end()));
  entries_.push_front({id, owner, num_bytes, std::move(kept)});
  by_id_.emplace(std::move(id), entries_.begin());
  num_bytes_ += num_bytes;
}

std::shared_ptr<const stored_response> response_store::find(std::string_view id,
                                                            std::uint64_t owner) {
  std::lock_guard lock(mutex_);
  auto found = look_up(id, owner);
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->response;
}

bool response_store::erase(std::string_view id, std::uint64_t owner) {
  std::lock_guard lock(mutex_);
  auto found = look_up(id, owner);
  if (found == entries_.end()) return false;
  drop(found);
  return true;
}

std::size_t response_store::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

std::size_t response_store::num_bytes() const {
  std::lock_guard lock(mutex_);
  return num_bytes_;
}

response_store::place response_store::look_up(std::string_view id, std::uint64_t owner) {
  auto found = by_id_.find(std::string(id));
  bool is_theirs = found != by_id_.end() && found->second->owner == owner;
  return is_theirs ? found->second : entries_.end();
}

void response_store::drop(place where) {
  num_bytes_ -= where->num_bytes;
  by_id_.erase(where->id);
  entries_.erase(where);
}

}  // namespace troupe
