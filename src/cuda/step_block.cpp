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
  const auto masks = layout.mask_indices.in(block);
  std::uint32_t num_masks = 0;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    const bool is_padding = i >= inputs.logit_rows.size();
    rows[i] = is_padding ? i : inputs.logit_rows[i];
    slots[i] = is_padding ? 0 : inputs.slots[rows[i]];
    const bool has_mask = !is_padding && inputs.masks[i] != nullptr;
    masks[i] = has_mask ? num_masks++ : no_mask;
  }
}

void write_groups(const step_inputs& inputs, std::span<sample_group> groups) {
  std::uint32_t num_groups = 0;
  for (std::uint32_t i = 0; i < inputs.logit_rows.size(); ++i) {
    const slot_idx slot = inputs.slots[inputs.logit_rows[i]];
    if (num_groups > 0 && groups[num_groups - 1].slot == slot) {
      ++groups[num_groups - 1].num_rows;
    } else {
      groups[num_groups++] = {slot, i, 1};
    }
  }
  std::ranges::fill(groups.subspan(num_groups), sample_group{});
}

}  // namespace

template <class T>
block_section<T> step_layout::add(std::uint32_t count) {
  const block_section<T> out{size, count};
  size += (count * sizeof(T) + alignment - 1) / alignment * alignment;
  return out;
}

step_layout::step_layout(const step_counts& counts) {
  tokens = add<std::int32_t>(counts.rows);
  slots = add<std::uint32_t>(counts.rows);
  positions = add<std::uint32_t>(counts.rows);
  kv_places = add<std::int32_t>(counts.rows);
  ropes = add<std::uint8_t>(counts.rows);
  logit_rows = add<std::uint32_t>(counts.logit_rows);
  logit_slots = add<std::uint32_t>(counts.logit_rows);
  mask_indices = add<std::uint32_t>(counts.logit_rows);
  groups = add<sample_group>(counts.groups);
  decode_rows = add<decode_row>(counts.decode_rows);
  decode_parts = add<decode_part>(counts.decode_parts);
  tiles = add<prefill_tile>(counts.tiles);
  page_table = add<page_idx>(counts.pages);
}

std::uint32_t count_groups(const step_inputs& inputs) {
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < inputs.logit_rows.size(); ++i) {
    const bool is_first =
        i == 0 || inputs.slots[inputs.logit_rows[i]] != inputs.slots[inputs.logit_rows[i - 1]];
    count += is_first ? 1 : 0;
  }
  return count;
}

void write_step(const step_inputs& inputs, const attention_plan& plan, const step_layout& layout,
                std::byte* block) {
  copy_padded(inputs.tokens, layout.tokens.in(block), 0);
  copy_padded(inputs.slots, layout.slots.in(block), 0U);
  copy_padded(inputs.positions, layout.positions.in(block), 0U);
  copy_padded(inputs.ropes, layout.ropes.in(block), std::uint8_t{0});
  write_places(inputs, layout.kv_places.in(block));
  write_logit_rows(inputs, layout, block);
  write_groups(inputs, layout.groups.in(block));
  copy_padded(std::span(plan.rows), layout.decode_rows.in(block), decode_row{});
  copy_padded(std::span(plan.parts), layout.decode_parts.in(block), decode_part{});
  copy_padded(std::span(plan.tiles), layout.tiles.in(block), prefill_tile{});
  copy_padded(inputs.page_table, layout.page_table.in(block), page_idx{0});
}

}  // namespace troupe::cuda
