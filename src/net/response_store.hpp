// Answers of the Responses API that clients may come back to: the oldest unused ones give way when
// there are too many. In memory only; a restart forgets them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe {

struct stored_response {
  std::string json;                      // as it was answered
  std::vector<std::string> input_items;  // JSON, in the order of the request
  std::vector<std::string> input_ids;    // [input_items.size()]
  std::string messages;                  // JSON: the conversation up to and with the answer
};

struct response_store_limits {
  std::size_t max_responses = 1024;
  std::size_t max_bytes = 64U << 20;
};

// Any thread may call it.
class response_store {
 public:
  explicit response_store(response_store_limits limits) : limits_(limits) {}

  // Only the same owner will find it. What is larger than all limits is not kept.
  void put(std::string id, std::uint64_t owner, stored_response response);
  // Null if there is none. It counts as used.
  std::shared_ptr<const stored_response> find(std::string_view id, std::uint64_t owner);
  bool erase(std::string_view id, std::uint64_t owner);
  std::size_t size() const;
  std::size_t num_bytes() const;

 private:
  struct entry {
    std::string id;
    std::uint64_t owner = 0;
    std::size_t num_bytes = 0;
    std::shared_ptr<const stored_response> response;
  };
  using place = std::list<entry>::iterator;

  place look_up(std::string_view id, std::uint64_t owner);  // end(): none
  void drop(place where);

  const response_store_limits limits_;
  mutable std::mutex mutex_;
  std::list<entry> entries_;  // the last used first
  std::unordered_map<std::string, place> by_id_;
  std::size_t num_bytes_ = 0;
};

}  // namespace troupe
