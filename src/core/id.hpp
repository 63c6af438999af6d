// Strong identifiers: ids of different things neither compare nor convert.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace troupe {

template <class Tag>
struct id {
  std::uint64_t value = 0;
  auto operator<=>(const id&) const = default;
};

using request_id = id<struct request_tag>;
using step_id = id<struct step_tag>;
using replica_id = id<struct replica_tag>;

// A vocabulary id. Negative values never name a token.
using token_id = std::int32_t;

// Index of a KV page within one replica's pool: 0 .. num_pages-1.
using page_idx = std::uint32_t;

// Index of a sequence's seat on the executor: 0 .. max_num_seqs-1.
using slot_idx = std::uint32_t;

}  // namespace troupe

template <class Tag>
struct std::hash<troupe::id<Tag>> {
  std::size_t operator()(troupe::id<Tag> x) const noexcept {
    return std::hash<std::uint64_t>{}(x.value);
  }
};
