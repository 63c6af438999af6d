// Byte-level BPE: the adjacent pair that was learnt first is merged first, leftmost among equals,
// until no learnt pair is left. O(n log n) for every input.
#pragma once
#include "core/id.hpp"
#include "text/token_table.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace troupe {

struct merge_rule {
  token_id left = 0, right = 0, merged = 0;
};

// Scratch space of one encode call, so that pieces allocate nothing.
struct merge_buffers {
  struct node {
    token_id token = 0;
    token_id merged = 0;                   // what it and the next node merge to
    std::uint32_t rank = 0;                // of that merge
    std::uint32_t previous = 0, next = 0;  // indices
  };
  std::vector<node> nodes;
  std::vector<std::uint64_t> queue;  // rank << 32 | index of the left node: a min-heap
};

class byte_pair_encoder {
 public:
  // `tokens` must hold all 256 single bytes and outlive this; `merges` in the order of learning.
  byte_pair_encoder(const token_table& tokens, const std::vector<merge_rule>& merges);

  // Appends the tokens of one piece, which is shorter than 4 GiB.
  void encode(std::string_view piece, merge_buffers& buffers, std::vector<token_id>& out) const;

 private:
  static constexpr std::uint32_t no_rank = 0xFFFF'FFFF;
  struct merge {
    std::uint32_t rank = no_rank;
    token_id merged = 0;
  };
  struct entry {
    std::uint64_t pair = 0;  // left << 32 | right
    merge result;            // no_rank: a free slot
  };
  enum class reach : std::uint8_t { unknown, itself, several };

  merge find(token_id left, token_id right) const;
  merge find_bytes(char left, char right) const;
  void merge_any(std::string_view piece, merge_buffers& buffers, std::vector<token_id>& out) const;
  void merge_short(std::string_view piece, std::vector<token_id>& out) const;
  void merge_long(std::string_view piece, merge_buffers& buffers, std::vector<token_id>& out) const;

  const token_table& tokens_;
  std::array<token_id, 256> byte_tokens_{};
  std::vector<entry> entries_;      // open addressing, a power of two
  std::vector<merge> byte_merges_;  // [256 * 256], of two single bytes: half of all lookups
  unsigned shift_ = 0;              // 64 - log2(entries_.size())
  // Whether the bytes of a token merge to that very token. Learnt on first use; every thread learns
  // the same, so the order of these atomics does not matter.
  std::unique_ptr<std::atomic<reach>[]> reach_;  // [tokens.size()]
};

}  // namespace troupe
