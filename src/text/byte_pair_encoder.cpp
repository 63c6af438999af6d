#include "text/byte_pair_encoder.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace troupe {
namespace {

constexpr std::size_t max_short_bytes = 48;  // a scan beats a heap up to about here
constexpr std::uint32_t no_node = 0xFFFF'FFFF;

std::uint64_t pair_key(token_id left, token_id right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U |
         static_cast<std::uint32_t>(right);
}

// Fibonacci hashing: the high bits of the product are well mixed.
std::size_t pair_slot(std::uint64_t pair, unsigned shift) {
  return static_cast<std::size_t>((pair ^ pair >> 29U) * 0x9E37'79B9'7F4A'7C15U >> shift);
}

}  // namespace

byte_pair_encoder::byte_pair_encoder(const token_table& tokens,
                                     const std::vector<merge_rule>& merges)
    : tokens_(tokens), reach_(new std::atomic<reach>[tokens.size()] {}) {
  for (std::size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    const char c = static_cast<char>(static_cast<unsigned char>(byte));
    byte_tokens_[byte] = tokens.find({&c, 1});
  }
  entries_.resize(std::bit_ceil(merges.size() * 3 / 2 + 2));
  shift_ = 64U - static_cast<unsigned>(std::countr_zero(entries_.size()));
  for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
    const std::uint64_t pair = pair_key(merges[rank].left, merges[rank].right);
    std::size_t slot = pair_slot(pair, shift_);
    while (entries_[slot].result.rank != no_rank && entries_[slot].pair != pair) {
      slot = (slot + 1) & (entries_.size() - 1);
    }
    entries_[slot] = {pair, {rank, merges[rank].merged}};
  }
  byte_merges_.reserve(256 * 256);
  for (const token_id left : byte_tokens_) {
    for (const token_id right : byte_tokens_) byte_merges_.push_back(find(left, right));
  }
}

byte_pair_encoder::merge byte_pair_encoder::find_bytes(char left, char right) const {
  return byte_merges_[static_cast<std::size_t>(static_cast<unsigned char>(left)) << 8U |
                      static_cast<unsigned char>(right)];
}

byte_pair_encoder::merge byte_pair_encoder::find(token_id left, token_id right) const {
  const std::uint64_t pair = pair_key(left, right);
  std::size_t slot = pair_slot(pair, shift_);
  while (entries_[slot].pair != pair && entries_[slot].result.rank != no_rank) {
    slot = (slot + 1) & (entries_.size() - 1);
  }
  return entries_[slot].result;
}

void byte_pair_encoder::encode(std::string_view piece, merge_buffers& buffers,
                               std::vector<token_id>& out) const {
  const token_id whole = tokens_.find(piece);
  if (whole >= 0) {
    auto& known = reach_[static_cast<std::size_t>(whole)];
    reach what = known.load(std::memory_order_relaxed);
    if (what == reach::itself) {
      out.push_back(whole);
      return;
    }
    if (what == reach::unknown) {
      const std::size_t begin = out.size();
      merge_any(piece, buffers, out);
      what = out.size() == begin + 1 && out.back() == whole ? reach::itself : reach::several;
      known.store(what, std::memory_order_relaxed);
      return;
    }
  }
  merge_any(piece, buffers, out);
}

void byte_pair_encoder::merge_any(std::string_view piece, merge_buffers& buffers,
                                  std::vector<token_id>& out) const {
  if (piece.size() <= max_short_bytes) {
    merge_short(piece, out);
  } else {
    merge_long(piece, buffers, out);
  }
}

void byte_pair_encoder::merge_short(std::string_view piece, std::vector<token_id>& out) const {
  std::array<token_id, max_short_bytes> tokens;
  std::array<merge, max_short_bytes> merges;  // merges[i]: of tokens[i] and tokens[i + 1]
  std::size_t num_tokens = piece.size();
  for (std::size_t i = 0; i < num_tokens; ++i) {
    tokens[i] = byte_tokens_[static_cast<unsigned char>(piece[i])];
  }
  for (std::size_t i = 0; i + 1 < num_tokens; ++i) merges[i] = find_bytes(piece[i], piece[i + 1]);
  while (num_tokens > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < num_tokens; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == no_rank) break;
    tokens[best] = merges[best].merged;
    --num_tokens;
    std::copy(tokens.begin() + best + 2, tokens.begin() + num_tokens + 1,
              tokens.begin() + best + 1);
    std::copy(merges.begin() + best + 1, merges.begin() + num_tokens, merges.begin() + best);
    if (best > 0) merges[best - 1] = find(tokens[best - 1], tokens[best]);
    if (best + 1 < num_tokens) merges[best] = find(tokens[best], tokens[best + 1]);
  }
  out.insert(out.end(), tokens.begin(), tokens.begin() + num_tokens);
}

void byte_pair_encoder::merge_long(std::string_view piece, merge_buffers& buffers,
                                   std::vector<token_id>& out) const {
  auto& nodes = buffers.nodes;
  auto& queue = buffers.queue;
  const auto num_bytes = static_cast<std::uint32_t>(piece.size());
  nodes.resize(num_bytes);
  queue.clear();
  for (std::uint32_t i = 0; i < num_bytes; ++i) {
    nodes[i].token = byte_tokens_[static_cast<unsigned char>(piece[i])];
    nodes[i].previous = i - 1;  // the first node's is never read
    nodes[i].next = i + 1 < num_bytes ? i + 1 : no_node;
  }
  const auto set = [&](std::uint32_t i, merge now) {
    nodes[i].rank = now.rank;
    nodes[i].merged = now.merged;
    if (now.rank != no_rank) queue.push_back(std::uint64_t{now.rank} << 32U | i);
    return now.rank != no_rank;
  };
  const auto update = [&](std::uint32_t i) {
    const auto& node = nodes[i];
    return set(i, node.next == no_node ? merge{} : find(node.token, nodes[node.next].token));
  };
  for (std::uint32_t i = 0; i + 1 < num_bytes; ++i) set(i, find_bytes(piece[i], piece[i + 1]));
  set(num_bytes - 1, merge{});
  std::make_heap(queue.begin(), queue.end(), std::greater<>{});
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>{});
    const auto rank = static_cast<std::uint32_t>(queue.back() >> 32U);
    const auto left = static_cast<std::uint32_t>(queue.back());
    queue.pop_back();
    auto& node = nodes[left];
    // Entries are not withdrawn: one that no longer names the pair at its place is stale.
    if (node.rank != rank) continue;
    auto& right = nodes[node.next];
    node.token = node.merged;
    node.next = right.next;
    right.rank = no_rank;
    if (node.next != no_node) nodes[node.next].previous = left;
    if (update(left)) std::push_heap(queue.begin(), queue.end(), std::greater<>{});
    if (left > 0 && update(node.previous)) {
      std::push_heap(queue.begin(), queue.end(), std::greater<>{});
    }
  }
  for (std::uint32_t i = 0; i < num_bytes; i = nodes[i].next) out.push_back(nodes[i].token);
}

}  // namespace troupe
