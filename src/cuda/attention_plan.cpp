#include "cuda/attention_plan.hpp"

#include <algorithm>

#include "core/batch.hpp"

namespace troupe::cuda {
namespace {

constexpr std::uint32_t least_part_pages = 16;

std::uint32_t pages_of(std::uint32_t tokens) {
  return (tokens + page_size_tokens - 1) / page_size_tokens;
}

void plan_decode(const attention_chunk& chunk, attention_plan& plan) {
  const std::uint32_t context = chunk.first_position + 1;
  const std::uint32_t pages = pages_of(context);
  const std::uint32_t part_pages = decode_part_pages(context);
  const std::uint32_t num_parts = (pages + part_pages - 1) / part_pages;
  plan.rows.push_back({chunk.first_row, static_cast<std::uint32_t>(plan.parts.size()), num_parts});
  for (std::uint32_t page = 0; page < pages; page += part_pages) {
    plan.parts.push_back({chunk.first_row, chunk.first_page_idx, page,
                          std::min(part_pages, pages - page), context, num_parts});
  }
}

void plan_prefill(const attention_chunk& chunk, std::uint32_t group, attention_plan& plan) {
  for (std::uint32_t query = 0; query < chunk.num_rows * group; query += prefill_tile_queries) {
    plan.tiles.push_back(
        {chunk.first_row, chunk.num_rows, chunk.first_position, chunk.first_page_idx, query});
  }
}

}  // namespace

std::uint32_t decode_part_pages(std::uint32_t context_tokens) {
  std::uint32_t pages = least_part_pages;
  while (pages * max_decode_parts < pages_of(context_tokens)) pages *= 2;
  return pages;
}

void plan_attention(std::span<const attention_chunk> chunks, std::uint32_t group,
                    attention_plan& plan, lone_rows lone) {
  plan.parts.clear();
  plan.rows.clear();
  plan.tiles.clear();
  for (const attention_chunk& chunk : chunks) {
    if (chunk.num_rows == 1 && lone == lone_rows::as_parts) {
      plan_decode(chunk, plan);
    } else {
      plan_prefill(chunk, group, plan);
    }
  }
  // A tile's time is what its last query sees. Long ones last would leave the device waiting.
  const auto last_position = [group](const prefill_tile& tile) {
    const std::uint32_t last = tile.first_query + prefill_tile_queries - 1;
    return tile.first_position + std::min(last / group, tile.num_rows - 1);
  };
  std::ranges::stable_sort(plan.tiles, std::greater<>(), last_position);
}

}  // namespace troupe::cuda
