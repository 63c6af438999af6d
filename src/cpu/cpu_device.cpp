#include "cpu/cpu_device.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

// Stands where a draft was wrong in every row behind it.
constexpr token_id not_sampled = -1;

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
              options.kv}),
      sampler_(options.sampling),
      quantized_(options.weights != weight_format::plain
                     ? options.max_num_rows * kernels::quantized_stride(options.max_in_features)
                     : 0),
      last_sampled_(options.sampling.max_num_seqs) {
  for (std::uint32_t i = 0; i < pool_.num_threads(); ++i) {
    scratch_.push_back(std::make_unique<thread_scratch>());
  }
  make_room();
}

// A step allocates nothing but the samples that leave with its answer.
void cpu_device::make_room() {
  const std::size_t rows = options_.max_num_rows;
  tokens_.reserve(rows);
  slots_.reserve(rows);
  positions_.reserve(rows);
  ropes_.reserve(rows);
  row_pages_.reserve(rows);
  attention_tasks_.reserve(rows);
  logit_rows_.reserve(rows);
  page_table_.reserve(options_.max_page_table);
  for (const auto& scratch : scratch_) scratch->choice.reserve(options_.sampling.num_tokens);
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
  if (has_whole_rows(width))
    maxima_ = aligned_buffer<float>(max_rows * kernels::maxima_stride(width));
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
  static_cast<host_communicator&>(ranks).all_gather(local.data, count * sizeof(float), all.data);
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

void cpu_device::sample(const gathered_logits& logits, std::span<const sampled_row> rows) {
  const auto count = static_cast<std::uint32_t>(rows.size());
  samples_.resize(count);
  first_samples_.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    samples_[i] = {rows[i].slot, {.token = not_sampled}};
    if (i == 0 || rows[i].slot != rows[i - 1].slot) first_samples_.push_back(i);
  }
  first_samples_.push_back(count);
  const auto num_slots = static_cast<std::uint32_t>(first_samples_.size() - 1);
  pool_.parallel_for(num_slots, [&](std::uint32_t i, std::uint32_t thread_idx) {
    const std::uint32_t first = first_samples_[i];
    const std::uint32_t num_rows = first_samples_[i + 1] - first;
    sample_slot(logits, rows.subspan(first, num_rows), std::span(samples_).subspan(first, num_rows),
                *scratch_[thread_idx]);
  });
}

// Row after row while the choice is the draft that the next row was computed for.
void cpu_device::sample_slot(const gathered_logits& logits, std::span<const sampled_row> rows,
                             std::span<slot_sample> samples, thread_scratch& scratch) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    samples[i].sampled = sample_row(logits, rows[i], scratch);
    if (i + 1 == rows.size()) return;
    if (samples[i].sampled.token != tokens_[logit_rows_[rows[i + 1].logit_idx]]) return;
  }
}

sampled_token cpu_device::sample_row(const gathered_logits& logits, const sampled_row& row,
                                     thread_scratch& scratch) {
  const auto mask = row.mask != nullptr ? std::span(*row.mask) : std::span<const std::uint32_t>{};
  const auto values = gathered_row(logits, row.logit_idx, scratch.logits);
  if (logits.num_ranks > 1) return sampler_.sample(row.slot, values, mask, scratch.choice);
  static_assert(choice_block == tile_width);
  const std::size_t stride = kernels::maxima_stride(logits.columns_per_rank);
  const std::span<const float> maxima = maxima_.span();
  return sampler_.sample(row.slot,
                         logit_row{values, maxima.subspan(row.logit_idx * stride, stride)}, mask,
                         scratch.choice);
}

void cpu_device::share_samples(communicator& ranks, std::span<const sampled_row> rows) {
  shared_samples_.resize(rows.size());
  for (std::size_t i = 0; i < samples_.size(); ++i) shared_samples_[i] = samples_[i].sampled.token;
  static_cast<host_communicator&>(ranks).broadcast(shared_samples_.data(),
                                                   shared_samples_.size() * sizeof(token_id));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (shared_samples_[i] != not_sampled) last_sampled_[rows[i].slot] = shared_samples_[i];
  }
}

std::vector<slot_sample> cpu_device::finish_step() {
  std::erase_if(samples_, [](const slot_sample& s) { return s.sampled.token == not_sampled; });
  return std::move(samples_);
}

void cpu_device::read_logits(const gathered_logits& logits, std::span<float> out) {
  const std::size_t width = std::size_t{logits.num_ranks} * logits.columns_per_rank;
  for (std::uint32_t row = 0; row < logits.num_rows; ++row) {
    const auto values = gathered_row(logits, row, scratch_.front()->logits);
    std::ranges::copy(values, out.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
}

}  // namespace troupe
