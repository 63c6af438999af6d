#include "cuda/step_block.hpp"

#include <algorithm>

namespace troupe::cuda {
namespace {

constexpr std::size_t alignment = 16;  // what kernels load at once

template <class T, class U>
void copy_padded(std::span<const U> from, std::span<T> to, T padding) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<T>(from[i]);
  std::ranges::fill(to.subspan(from.size()), padding);
}

void write_places(const step_inputs& inputs, std::span<std::int32_t> places) {
  std::ranges::fill(places, -1);
  for (const attention_chunk& chunk : inputs.chunks) {
    for (std::uint32_t r = 0; r < chunk.num_rows; ++r) {
      const std::uint32_t position = chunk.first_position + r;
      const page_idx page = inputs.page_table[chunk.first_page_idx + position / page_size_tokens];
      places[chunk.first_row + r] =
          static_cast<std::int32_t>(page * page_size_tokens + position % page_size_tokens);
    }
  }
}

void write_logit_rows(const step_inputs& inputs, const step_layout& layout, std::byte* block) {
  const auto rows = layout.logit_rows.in(block);
  const auto slots = layout.logit_slots.in(block);
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    const bool is_padding = i >= inputs.logit_rows.size();
    rows[i] = is_padding ? i : inputs.logit_rows[i];
    slots[i] = is_padding ? 0 : inputs.slots[rows[i]];
  }
}

// A section behind what there is.
template <class T>
block_section<T> append(std::size_t& size, std::size_t count) {
  const block_section<T> out{size, static_cast<std::uint32_t>(count)};
  size += (count * sizeof(T) + alignment - 1) / alignment * alignment;
  return out;
}

bool is_first_of_slot(std::span<const sampled_row> rows, std::size_t i) {
  return i == 0 || rows[i].slot != rows[i - 1].slot;
}

}  // namespace

step_layout::step_layout(const step_counts& counts) {
  tokens = append<std::int32_t>(size, counts.rows);
  slots = append<std::uint32_t>(size, counts.rows);
  positions = append<std::uint32_t>(size, counts.rows);
  kv_places = append<std::int32_t>(size, counts.rows);
  ropes = append<std::uint8_t>(size, counts.rows);
  logit_rows = append<std::uint32_t>(size, counts.logit_rows);
  logit_slots = append<std::uint32_t>(size, counts.logit_rows);
  decode_rows = append<decode_row>(size, counts.decode_rows);
  decode_parts = append<decode_part>(size, counts.decode_parts);
  tiles = append<prefill_tile>(size, counts.tiles);
  page_table = append<page_idx>(size, counts.pages);
}

void write_step(const step_inputs& inputs, const attention_plan& plan, const step_layout& layout,
                std::byte* block) {
  copy_padded(inputs.tokens, layout.tokens.in(block), 0);
  copy_padded(inputs.slots, layout.slots.in(block), 0U);
  copy_padded(inputs.positions, layout.positions.in(block), 0U);
  copy_padded(inputs.ropes, layout.ropes.in(block), std::uint8_t{0});
  write_places(inputs, layout.kv_places.in(block));
  write_logit_rows(inputs, layout, block);
  copy_padded(std::span(plan.rows), layout.decode_rows.in(block), decode_row{});
  copy_padded(std::span(plan.parts), layout.decode_parts.in(block), decode_part{});
  copy_padded(std::span(plan.tiles), layout.tiles.in(block), prefill_tile{});
  copy_padded(inputs.page_table, layout.page_table.in(block), page_idx{0});
}

choice_layout::choice_layout(std::uint32_t num_groups, std::uint32_t num_logit_rows,
                             std::size_t num_mask_words) {
  groups = append<sample_group>(size, num_groups);
  mask_indices = append<std::uint32_t>(size, num_logit_rows);
  masks = append<std::uint32_t>(size, num_mask_words);
}

choice_layout plan_choice(std::span<const sampled_row> rows, std::uint32_t num_logit_rows) {
  std::uint32_t num_groups = 0;
  std::size_t num_mask_words = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    num_groups += is_first_of_slot(rows, i) ? 1 : 0;
    num_mask_words += rows[i].mask != nullptr ? rows[i].mask->size() : 0;
  }
  return {num_groups, num_logit_rows, num_mask_words};
}

void write_choice(std::span<const sampled_row> rows, const choice_layout& layout,
                  std::byte* block) {
  const auto groups = layout.groups.in(block);
  const auto indices = layout.mask_indices.in(block);
  std::uint32_t* masks = layout.masks.in(block).data();
  std::uint32_t num_masks = 0;
  std::uint32_t num_groups = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const sampled_row& row = rows[i];
    if (is_first_of_slot(rows, i)) groups[num_groups++] = {row.slot, row.logit_idx, 0};
    ++groups[num_groups - 1].num_rows;
    indices[row.logit_idx] = row.mask != nullptr ? num_masks++ : no_mask;
    if (row.mask != nullptr) masks = std::ranges::copy(*row.mask, masks).out;
  }
}

}  // namespace troupe::cuda
