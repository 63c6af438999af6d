#include "model/sharding.hpp"

#include "core/batch.hpp"
#include "model/convert.hpp"
#include "model/published_integers.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace troupe {
namespace {

failure refuse(std::string message) {
  return {error_code::invalid_argument, std::move(message), "tensor-parallel-size"};
}

refusal check_tp_size(const model_config& config, std::uint32_t tp_size, std::uint32_t rank) {
  const std::string found = "A tensor parallel size of " + std::to_string(tp_size);
  if (tp_size == 0) return refuse(found + " was asked for; at least 1 is needed.");
  if (rank >= tp_size) {
    return refuse("Rank " + std::to_string(rank) + " does not exist with " +
                  std::to_string(tp_size) + " ranks.");
  }
  if (tp_size > config.num_attention_heads) {
    return refuse(found + " leaves ranks without work: the model has " +
                  std::to_string(config.num_attention_heads) + " attention heads.");
  }
  const std::uint32_t kv_heads = config.num_key_value_heads;
  if (kv_heads % tp_size != 0 && tp_size % kv_heads != 0) {
    return refuse(found + " neither divides the model's " + std::to_string(kv_heads) +
                  " key-value heads nor is a multiple of them.");
  }
  if (config.intermediate_size % tp_size != 0) {
    return refuse(found + " does not divide the model's intermediate_size " +
                  std::to_string(config.intermediate_size) + ".");
  }
  return nothing{};
}

// Whole KV groups: rank r takes the r-th run of KV heads and all of their query heads.
void assign_whole_groups(const model_config& config, shard_plan& plan) {
  const std::uint32_t group = config.num_attention_heads / config.num_key_value_heads;
  const std::uint32_t count = config.num_key_value_heads / plan.tp_size;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t kv_head = plan.rank * count + i;
    plan.kv_heads.push_back(kv_head);
    for (std::uint32_t h = 0; h < group; ++h) plan.q_heads.emplace_back(kv_head * group + h);
  }
}

// Several ranks share one KV head and divide its query heads as evenly as they go; the ranks with
// one head less get a padding head.
void assign_part_of_group(const model_config& config, shard_plan& plan) {
  const std::uint32_t group = config.num_attention_heads / config.num_key_value_heads;
  const std::uint32_t num_parts = plan.tp_size / config.num_key_value_heads;
  const std::uint32_t kv_head = plan.rank / num_parts;
  const std::uint32_t part = plan.rank % num_parts;
  const std::uint32_t small = group / num_parts;
  const std::uint32_t num_large = group % num_parts;
  const std::uint32_t first = kv_head * group + part * small + std::min(part, num_large);
  const std::uint32_t count = small + (part < num_large ? 1 : 0);
  plan.kv_heads.push_back(kv_head);
  for (std::uint32_t h = 0; h < count; ++h) plan.q_heads.emplace_back(first + h);
  plan.q_heads.resize(small + (num_large > 0 ? 1 : 0));
}

}  // namespace

outcome<shard_plan> plan_shard(const model_config& config, std::uint32_t tp_size,
                               std::uint32_t rank) {
  if (auto checked = check_tp_size(config, tp_size, rank); !checked) return checked.error();
  shard_plan plan;
  plan.tp_size = tp_size;
  plan.rank = rank;
  plan.head_dim = config.head_dim;
  plan.hidden_size = config.hidden_size;
  if (tp_size <= config.num_key_value_heads) {
    assign_whole_groups(config, plan);
  } else {
    assign_part_of_group(config, plan);
  }
  const std::uint32_t features = config.intermediate_size / tp_size;
  plan.intermediate = {rank * features, (rank + 1) * features};
  plan.vocab_per_rank = (config.vocab_size + tp_size - 1) / tp_size;
  plan.vocab.begin = std::min(rank * plan.vocab_per_rank, config.vocab_size);
  plan.vocab.end = std::min(plan.vocab.begin + plan.vocab_per_rank, config.vocab_size);
  return plan;
}

std::uint64_t count_shard_elements(const model_config& config, const shard_plan& plan) {
  const std::uint64_t hidden = config.hidden_size;
  const std::uint64_t qkv = plan.q_size() + 2ULL * plan.kv_size();
  const std::uint64_t attention = qkv * (hidden + 1) + hidden * plan.q_size();
  const std::uint64_t mlp = 3 * hidden * plan.intermediate.size();
  const std::uint64_t layer = attention + mlp + 2 * hidden;
  const bool shares_embedding = config.tie_word_embeddings && plan.tp_size == 1;
  const std::uint64_t lm_head = shares_embedding ? 0 : hidden * plan.vocab_per_rank;
  return config.num_hidden_layers * layer + hidden + hidden * config.vocab_size + lm_head;
}

std::uint64_t kv_page_bytes(const model_config& config, const shard_plan& plan,
                            std::uint32_t element_bytes) {
  return 2ULL * config.num_hidden_layers * plan.kv_size() * page_size_tokens * element_bytes;
}

linear_slice::linear_slice(std::vector<row_run> rows, std::vector<col_run> cols)
    : rows_(std::move(rows)), cols_(std::move(cols)) {
  for (const row_run& run : rows_) {
    num_rows_ += run.count;
    has_bias_ = has_bias_ || run.bias.has_value();
  }
  for (const col_run& run : cols_) num_cols_ += run.count;
}

template <class Element>
void linear_slice::copy_row(std::uint32_t row, std::span<Element> out) const {
  auto run = rows_.begin();
  while (row >= run->count) row -= (run++)->count;
  std::size_t done = 0;
  for (const col_run& cols : cols_) {
    const std::span<Element> target = out.subspan(done, cols.count);
    done += cols.count;
    if (!run->weight || !cols.first) {
      std::ranges::fill(target, Element{});
      continue;
    }
    const auto source_cols = static_cast<std::uint64_t>(run->weight->shape[1]);
    copy_elements(*run->weight, (run->first + std::uint64_t{row}) * source_cols + *cols.first,
                  target);
  }
}

void linear_slice::copy_rows(std::uint32_t first, std::uint32_t count, std::span<float> out) const {
  assert(std::uint64_t{first} + count <= num_rows_ && out.size() == std::size_t{count} * num_cols_);
  for (std::uint32_t i = 0; i < count; ++i) {
    copy_row(first + i, out.subspan(std::size_t{i} * num_cols_, num_cols_));
  }
}

void linear_slice::copy_rows(std::uint32_t first, std::uint32_t count,
                             std::span<bfloat16> out) const {
  assert(std::uint64_t{first} + count <= num_rows_ && out.size() == std::size_t{count} * num_cols_);
  for (std::uint32_t i = 0; i < count; ++i) {
    copy_row(first + i, out.subspan(std::size_t{i} * num_cols_, num_cols_));
  }
}

template <class Piece>
void linear_slice::for_each_piece(const Piece& piece) const {
  std::uint32_t col = 0;
  for (const col_run& run : cols_) {
    const std::uint32_t end = col + run.count;
    std::uint32_t source = run.first.value_or(0);
    while (col < end) {
      const std::uint32_t count = std::min(group_size - col % group_size, end - col);
      if (run.first) piece(col, source, count);
      col += count;
      source += count;
    }
  }
}

bool linear_slice::keeps_groups(std::uint32_t size) const {
  if (size == 0) return true;
  std::vector<std::optional<std::uint32_t>> owners(num_groups(num_cols_));
  bool kept = true;
  for_each_piece([&](std::uint32_t col, std::uint32_t source, std::uint32_t count) {
    auto& owner = owners[col / group_size];
    if (!owner) owner = source / size;
    kept = kept && *owner == source / size && *owner == (source + count - 1) / size;
  });
  return kept;
}

bool linear_slice::has_integers(std::uint32_t bits) const {
  const published_integers* any = nullptr;
  for (const row_run& run : rows_) {
    if (!run.weight) continue;
    any = run.weight->integers.get();
    if (any == nullptr || any->format().bits != bits) return false;
  }
  return any != nullptr && keeps_groups(any->format().group_size);
}

void linear_slice::copy_integers(std::uint32_t row, integer_row& out) const {
  out.resize(num_cols_);
  std::ranges::fill(out.values, std::uint8_t{0});
  std::ranges::fill(out.scales, float16{});
  std::ranges::fill(out.zeros, std::uint8_t{0});
  auto run = rows_.begin();
  while (row >= run->count) row -= (run++)->count;
  if (!run->weight) return;
  const published_integers& source = *run->weight->integers;
  const std::uint32_t source_row = run->first + row;
  for_each_piece([&](std::uint32_t col, std::uint32_t source_col, std::uint32_t count) {
    const std::uint32_t group = col / group_size;
    const std::uint32_t source_group = source.group_of(source_col);
    out.scales[group] = source.scale(source_row, source_group);
    out.zeros[group] = source.zero(source_row, source_group);
    source.copy_values(source_row, source_col, std::span(out.values).subspan(col, count));
  });
  fill_padding(out);
}

// Columns of zeros are those whose integer is the zero point.
void linear_slice::fill_padding(integer_row& out) const {
  std::uint32_t col = 0;
  for (const col_run& run : cols_) {
    for (std::uint32_t k = col; !run.first && k < col + run.count; ++k) {
      out.values[k] = out.zeros[k / group_size];
    }
    col += run.count;
  }
}

void linear_slice::copy_bias(std::span<float> out) const {
  assert(out.size() == num_rows_);
  std::size_t done = 0;
  for (const row_run& run : rows_) {
    const std::span<float> target = out.subspan(done, run.count);
    done += run.count;
    if (run.bias) {
      copy_elements(*run.bias, run.first, target);
    } else {
      std::ranges::fill(target, 0.0F);
    }
  }
}

linear_slice qkv_slice(const shard_plan& plan, const layer_weights& layer) {
  const std::uint32_t dim = plan.head_dim;
  std::vector<linear_slice::row_run> rows;
  for (const auto& head : plan.q_heads) {
    if (head) {
      rows.push_back({dim, *head * dim, layer.q, layer.q_bias});
    } else {
      rows.push_back({dim, 0, std::nullopt, std::nullopt});
    }
  }
  for (std::uint32_t head : plan.kv_heads) {
    rows.push_back({dim, head * dim, layer.k, layer.k_bias});
  }
  for (std::uint32_t head : plan.kv_heads) {
    rows.push_back({dim, head * dim, layer.v, layer.v_bias});
  }
  return {std::move(rows), {{plan.hidden_size, 0}}};
}

linear_slice o_slice(const shard_plan& plan, const layer_weights& layer) {
  std::vector<linear_slice::col_run> cols;
  for (const auto& head : plan.q_heads) {
    if (head) {
      cols.push_back({plan.head_dim, *head * plan.head_dim});
    } else {
      cols.push_back({plan.head_dim, std::nullopt});
    }
  }
  return {{{plan.hidden_size, 0, layer.o, std::nullopt}}, std::move(cols)};
}

linear_slice gate_up_slice(const shard_plan& plan, const layer_weights& layer) {
  const index_range part = plan.intermediate;
  return {{{part.size(), part.begin, layer.gate, std::nullopt},
           {part.size(), part.begin, layer.up, std::nullopt}},
          {{plan.hidden_size, 0}}};
}

linear_slice down_slice(const shard_plan& plan, const layer_weights& layer) {
  return {{{plan.hidden_size, 0, layer.down, std::nullopt}},
          {{plan.intermediate.size(), plan.intermediate.begin}}};
}

linear_slice lm_head_slice(const shard_plan& plan, const model_weights& weights) {
  const std::uint32_t padding = plan.vocab_per_rank - plan.vocab.size();
  return {{{plan.vocab.size(), plan.vocab.begin, weights.lm_head, std::nullopt},
           {padding, 0, std::nullopt, std::nullopt}},
          {{plan.hidden_size, 0}}};
}

}  // namespace troupe
