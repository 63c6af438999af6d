// Everything that one step uploads, as one piece of memory: written in pinned memory, copied once,
// read by the kernels at the same offsets.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "cuda/attention_plan.hpp"
#include "cuda/kernels.hpp"
#include "model/device.hpp"

namespace troupe::cuda {

struct step_counts {
  std::uint32_t rows = 0;
  std::uint32_t logit_rows = 0;
  std::uint32_t decode_parts = 0;
  std::uint32_t decode_rows = 0;
  std::uint32_t tiles = 0;
  std::uint32_t pages = 0;  // entries of the page table
};

template <class T>
struct block_section {
  std::size_t offset = 0;
  std::uint32_t count = 0;
  std::span<T> in(std::byte* block) const { return {reinterpret_cast<T*>(block + offset), count}; }
  const T* at(const std::byte* block) const { return reinterpret_cast<const T*>(block + offset); }
};

// Offsets depend on the counts alone. The page table comes last: steps that differ in its length
// only have everything at the same places.
struct step_layout {
  step_layout() = default;
  explicit step_layout(const step_counts& counts);

  block_section<std::int32_t> tokens;
  block_section<std::uint32_t> slots;
  block_section<std::uint32_t> positions;
  block_section<std::int32_t> kv_places;
  block_section<std::uint8_t> ropes;
  block_section<std::uint32_t> logit_rows;
  block_section<std::uint32_t> logit_slots;  // of the logit rows
  block_section<decode_row> decode_rows;
  block_section<decode_part> decode_parts;
  block_section<prefill_tile> tiles;
  block_section<page_idx> page_table;
  std::size_t size = 0;  // bytes
};

// Writes the step into block[layout.size]. Where the layout has more rows than the step they are
// padding: they write no page and attend to nothing.
void write_step(const step_inputs& inputs, const attention_plan& plan, const step_layout& layout,
                std::byte* block);

// What the sampling of a step uploads, which is known later than the rest. Masks come last, so that
// only as much is copied as there are.
struct choice_layout {
  choice_layout() = default;
  choice_layout(std::uint32_t num_groups, std::uint32_t num_logit_rows, std::size_t num_mask_words);

  block_section<sample_group> groups;
  block_section<std::uint32_t> mask_indices;  // of the logit rows; read where a group has the row
  block_section<std::uint32_t> masks;
  std::size_t size = 0;  // bytes
};

// Of the rows that sample.
choice_layout plan_choice(std::span<const sampled_row> rows, std::uint32_t num_logit_rows);
void write_choice(std::span<const sampled_row> rows, const choice_layout& layout, std::byte* block);

}  // namespace troupe::cuda
