// Token ids and the bytes that they stand for, both ways.
#pragma once
#include "core/id.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

class token_table {
 public:
  // Makes room: `num_ids` is one more than the highest id, `num_bytes` an estimate of all bytes.
  void reserve(std::size_t num_ids, std::size_t num_bytes);
  // False when the id or the bytes are taken. Ids lie below the reserved number.
  bool add(token_id id, std::string_view bytes);

  std::string_view bytes(token_id id) const;    // empty for unknown ids
  token_id find(std::string_view bytes) const;  // -1: no token has these bytes
  bool contains(token_id id) const;
  std::uint32_t size() const { return static_cast<std::uint32_t>(spans_.size()); }

 private:
  struct span {
    std::uint32_t offset = 0;
    std::uint32_t num_bytes = 0;  // 0: no such token
  };
  std::size_t find_slot(std::string_view bytes) const;

  std::vector<span> spans_;      // [num_ids]
  std::string arena_;            // the bytes of all tokens
  std::vector<token_id> slots_;  // open addressing by the bytes' hash, a power of two; -1: free
};

}  // namespace troupe
