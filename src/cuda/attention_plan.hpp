// Which thread block attends to what: plain lists, made on the host once a step for all layers, and
// uploaded. They depend on each chunk alone, so that a row's sums run in the same order whatever
// else is in the step.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "model/device.hpp"

namespace troupe::cuda {

// A stretch of the context of a row that is alone in its chunk.
struct decode_part {
  std::uint32_t row = 0;             // of the step
  std::uint32_t first_page_idx = 0;  // into the page table: where the sequence's pages begin
  std::uint32_t first_page = 0;      // of the sequence's pages
  std::uint32_t num_pages = 0;
  std::uint32_t context_tokens = 0;  // of the row, itself included
  std::uint32_t num_parts = 0;       // of the row
};

// A row whose parts are to be combined: they stand side by side.
struct decode_row {
  std::uint32_t row = 0;
  std::uint32_t first_part = 0;
  std::uint32_t num_parts = 0;
};

// Some of a chunk's queries. Queries of a KV head are counted through the chunk: query i is that of
// head i % group of row i / group, where group = q heads / KV heads.
struct prefill_tile {
  std::uint32_t first_row = 0;       // of the chunk, in the step
  std::uint32_t num_rows = 0;        // of the chunk
  std::uint32_t first_position = 0;  // of the chunk
  std::uint32_t first_page_idx = 0;  // into the page table
  std::uint32_t first_query = 0;     // the tile has prefill_tile_queries, or what is left
};

inline constexpr std::uint32_t prefill_tile_queries = 128;

struct attention_plan {
  std::vector<decode_part> parts;
  std::vector<decode_row> rows;
  std::vector<prefill_tile> tiles;  // those that take longest first
};

// How many pages one part of a context has: more for long ones, so that no row has more than
// max_decode_parts.
std::uint32_t decode_part_pages(std::uint32_t context_tokens);
inline constexpr std::uint32_t max_decode_parts = 64;  // up to 131072 tokens

// What rows that are alone in their chunk become. As tiles they have the bits that they would have
// within a longer chunk; as parts they are faster, and equal to those up to rounding.
enum class lone_rows : std::uint8_t { as_parts, as_tiles };

// Replaces what is in `plan`. Chunks of more than one row become tiles.
void plan_attention(std::span<const attention_chunk> chunks, std::uint32_t group,
                    attention_plan& plan, lone_rows lone = lone_rows::as_parts);

}  // namespace troupe::cuda
