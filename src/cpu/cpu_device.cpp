#include "cpu/cpu_device.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

template <class T>
void replace(std::vector<T>& target, std::span<const T> source) {
  target.assign(source.begin(), source.end());
}

}  // namespace

cpu_vector::cpu_vector(std::span<const float> values) : values_(values.size()) {
  std::ranges::copy(values, values_.data());
}

cpu_device::cpu_device(const cpu_device_options& options)
    : options_(options),
      pool_(options.threads),
      pages_({options.num_layers, options.num_pages, options.num_kv_heads, options.head_dim,
              options.type}),
      sampler_(options.sampling),
      quantized_(options.weights != weight_format::plain
                     ? options.max_num_rows * kernels::quantized_stride(options.max_in_features)
                     : 0),
      last_sampled_(options.sampling.max_num_seqs) {
  for (std::uint32_t i = 0; i < pool_.num_threads(); ++i) {
    scratch_.push_back(std::make_unique<thread_scratch>());
  }
}

shared_matrix cpu_device::load_linear(const linear_slice& slice) {
  return std::make_shared<packed_matrix>(slice, layer_weights_of(options_.weights, options_.type),
                                         pool_);
}

shared_matrix cpu_device::load_vocabulary(const linear_slice& slice) {
  return std::make_shared<packed_matrix>(
      slice, vocabulary_weights_of(options_.weights, options_.type), pool_);
}

shared_vector cpu_device::load_vector(std::span<const float> values) {
  return std::make_shared<cpu_vector>(values);
}

activation cpu_device::make_activation(std::uint32_t max_rows, std::uint32_t width) {
  activations_.emplace_back(std::size_t{max_rows} * width);
  return {activations_.back().data(), width};
}

activation cpu_device::make_logits(std::uint32_t max_rows, std::uint32_t width) {
  return make_activation(max_rows, width);
}

void cpu_device::start_slot(const slot_start& start) { sampler_.start(start); }

void cpu_device::begin_step(const step_inputs& inputs) {
  replace(tokens_, inputs.tokens);
  replace(slots_, inputs.slots);
  replace(positions_, inputs.positions);
  replace(ropes_, inputs.ropes);
  replace(page_table_, inputs.page_table);
  replace(logit_rows_, inputs.logit_rows);
  replace(masks_, inputs.masks);
  samples_.clear();
  attention_tasks_.clear();
  row_pages_.resize(tokens_.size());
  for (const attention_chunk& chunk : inputs.chunks) plan_chunk(chunk);
}

void cpu_device::plan_chunk(const attention_chunk& chunk) {
  for (std::uint32_t r = 0; r < chunk.num_rows; ++r) {
    const std::uint32_t page = (chunk.first_position + r) / page_size_tokens;
    row_pages_[chunk.first_row + r] = page_table_[chunk.first_page_idx + page];
  }
  const std::uint32_t group = options_.num_q_heads / options_.num_kv_heads;
  const std::uint32_t rows_at_once = std::max(1U, kernels::max_queries / group);
  for (std::uint32_t r = 0; r < chunk.num_rows; r += rows_at_once) {
    attention_tasks_.push_back({chunk, r, std::min(rows_at_once, chunk.num_rows - r)});
  }
}

gathered_logits cpu_device::gather_logits(communicator& ranks, activation local, activation all) {
  const std::size_t count = std::size_t{num_logit_rows()} * local.width;
  if (ranks.size() == 1) return {local.data, 1, num_logit_rows(), local.width};
  ranks.all_gather(local.data, count * sizeof(float), all.data);
  return {all.data, ranks.size(), num_logit_rows(), local.width};
}

std::span<const float> cpu_device::gathered_row(const gathered_logits& logits, std::uint32_t row,
                                                std::vector<float>& memory) const {
  const std::size_t columns = logits.columns_per_rank;
  const auto* first = static_cast<const float*>(logits.data);
  if (logits.num_ranks == 1) return {first + row * columns, columns};
  memory.resize(logits.num_ranks * columns);
  for (std::uint32_t r = 0; r < logits.num_ranks; ++r) {
    std::copy_n(first + (std::size_t{r} * logits.num_rows + row) * columns, columns,
                memory.data() + r * columns);
  }
  return memory;
}

void cpu_device::sample(const gathered_logits& logits, std::span<const slot_idx> slots) {
  samples_.resize(slots.size());
  const auto count = static_cast<std::uint32_t>(slots.size());
  pool_.parallel_for(count, [&](std::uint32_t i, std::uint32_t thread_idx) {
    thread_scratch& scratch = *scratch_[thread_idx];
    const std::span<const float> row = gathered_row(logits, i, scratch.logits);
    const std::span<const std::uint32_t> mask =
        masks_[i] ? std::span(*masks_[i]) : std::span<const std::uint32_t>{};
    samples_[i] = {slots[i], sampler_.sample(slots[i], row, mask, scratch.choice)};
  });
}

void cpu_device::share_samples(communicator& ranks, std::span<const slot_idx> slots) {
  shared_samples_.resize(slots.size());
  for (std::size_t i = 0; i < samples_.size(); ++i) shared_samples_[i] = samples_[i].sampled.token;
  ranks.broadcast(shared_samples_.data(), shared_samples_.size() * sizeof(token_id));
  for (std::size_t i = 0; i < slots.size(); ++i) last_sampled_[slots[i]] = shared_samples_[i];
}

std::vector<slot_sample> cpu_device::finish_step() { return std::move(samples_); }

void cpu_device::read_logits(const gathered_logits& logits, std::span<float> out) {
  const std::size_t width = std::size_t{logits.num_ranks} * logits.columns_per_rank;
  for (std::uint32_t row = 0; row < logits.num_rows; ++row) {
    const auto values = gathered_row(logits, row, scratch_.front()->logits);
    std::ranges::copy(values, out.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
}

}  // namespace troupe
