#include "cuda/cuda_device.hpp"

#include <algorithm>
#include <bit>
#include <thread>
#include <utility>

namespace troupe::cuda {
namespace {

std::uint32_t bucket_of(std::uint32_t rows) {
  for (const std::uint32_t bucket : gemm_row_buckets()) {
    if (bucket >= rows) return bucket;
  }
  return rows;
}
constexpr std::uint32_t max_graph_rows = 256;

}  // namespace

cuda_device::cuda_device(const cuda_device_options& options)
    : options_((use_gpu(options.device_index), options)),
      sizes_(options),
      stream_(make_stream()),
      side_stream_(make_stream()),
      gemm_(options.deterministic, options.has_byte_weights),
      graphs_(stream_.get(), options.on_warning) {
  if (options.max_num_rows > 0) make_room(options);
  synchronize(stream());
}

cuda_device::~cuda_device() {
  static_cast<void>(cudaSetDevice(options_.device_index));
  graphs_.abandon();
  static_cast<void>(cudaStreamSynchronize(side_stream_.get()));
  static_cast<void>(cudaStreamSynchronize(stream()));
}

void cuda_device::make_room(const cuda_device_options& options) {
  const std::size_t page_bytes =
      sizes_.layer_page_bytes * options.num_layers * std::size_t{options.num_pages};
  const auto zeroed = [&](std::size_t num_bytes) {
    device_buffer out = make_device_buffer(num_bytes);
    if (num_bytes > 0) fill_zero(out.data(), num_bytes, stream());
    return out;
  };
  keys_ = make_device_buffer(page_bytes);
  values_ = make_device_buffer(page_bytes);
  upload_ropes();
  step_block_ = make_device_buffer(sizes_.step_bytes);
  choice_block_ = make_device_buffer(sizes_.choice_bytes);
  partial_sums_ = make_device_buffer(sizes_.partial_sum_bytes);
  partial_scale_ = make_device_buffer(sizes_.partial_scale_bytes);
  sample_scratch_ = make_device_buffer(sizes_.sample_scratch_bytes);
  sampling_slots_ = zeroed(options.max_num_seqs * sizeof(sampling_slot));
  slot_lists_ = make_device_buffer(options.max_num_seqs * sizes_.list_bytes_per_slot);
  large_lists_.resize(options.max_num_seqs);
  num_logprobs_.resize(options.max_num_seqs, -1);
  next_tokens_ = zeroed(options.max_num_seqs * sizeof(std::int32_t));
  fault_ = zeroed(sizeof(device_fault));
  words_ = make_device_buffer(sizes_.word_bytes);
  words_read_ = make_pinned_buffer(sizes_.word_bytes);
  words_are_here_ = make_event();
  for (step_memory& memory : ring_) {
    memory.block = make_pinned_buffer(sizes_.step_bytes);
    memory.choice = make_pinned_buffer(sizes_.choice_bytes);
    memory.results = zeroed(sizes_.result_bytes);
    memory.read = make_pinned_buffer(sizes_.result_bytes + sizeof(std::uint32_t));
    memory.logits = make_event();
    memory.sampled = make_event();
    memory.done = make_event();
  }
}

void cuda_device::upload_ropes() {
  for (std::size_t kind = 0; kind < ropes_.size(); ++kind) {
    const rope_view& table = options_.ropes[kind];
    // A model without YaRN has one table for both kinds.
    if (kind > 0 && table.cos.data() == options_.ropes[0].cos.data()) {
      ropes_[kind] = ropes_[0];
      continue;
    }
    const std::size_t half = table.cos.size_bytes();
    rope_buffers_[kind] = make_device_buffer(2 * half);
    auto* cos = rope_buffers_[kind].data();
    copy_to_device(cos, table.cos.data(), half, stream());
    copy_to_device(cos + half, table.sin.data(), half, stream());
    ropes_[kind] = {reinterpret_cast<float*>(cos), reinterpret_cast<float*>(cos + half)};
  }
  synchronize(stream());
}

shared_matrix cuda_device::load_linear(const linear_slice& slice) {
  use_gpu(options_.device_index);
  if (uploader_ == nullptr) uploader_ = std::make_unique<weight_uploader>(options_.load_threads);
  auto matrix = uploader_->upload(
      slice, options_.has_byte_weights ? weight_kind::bytes : weight_kind::halves);
  if (options_.on_loaded) options_.on_loaded(matrix->size_in_bytes());
  return matrix;
}

shared_matrix cuda_device::load_vocabulary(const linear_slice& slice) { return load_linear(slice); }

shared_vector cuda_device::load_vector(std::span<const float> values) {
  use_gpu(options_.device_index);
  if (uploader_ == nullptr) uploader_ = std::make_unique<weight_uploader>(options_.load_threads);
  return uploader_->upload(values);
}

activation cuda_device::make_activation(std::uint32_t max_rows, std::uint32_t width) {
  use_gpu(options_.device_index);
  const std::size_t num_bytes = std::size_t{max_rows} * width * sizeof(bf16);
  activations_.push_back(make_device_buffer(num_bytes));
  if (num_bytes > 0) fill_zero(activations_.back().data(), num_bytes, stream());
  return {activations_.back().data(), width};
}

activation cuda_device::make_logits(std::uint32_t max_rows, std::uint32_t width) {
  const activation as_floats = make_activation(2 * max_rows, width);
  static_assert(sizeof(float) == 2 * sizeof(bf16));
  return as_floats;
}

// Lists have their place in the slot's memory, unless they are longer than requests may make them.
void cuda_device::place_lists(slot_idx slot, slot_image& image) {
  const std::size_t max_uses = std::max<std::size_t>(image.max_uses, image.uses.size());
  const bool fits = max_uses <= sizes_.uses_per_slot && image.biases.size() <= usual_biases &&
                    image.impossible.size() <= usual_impossible_tokens;
  std::byte* memory = slot_lists_.data() + slot * sizes_.list_bytes_per_slot;
  const std::size_t uses = fits ? sizes_.uses_per_slot : max_uses;
  const std::size_t biases = fits ? usual_biases : image.biases.size();
  if (!fits) {
    large_lists_[slot] = make_device_buffer(list_bytes(uses, biases, image.impossible.size()));
    memory = large_lists_[slot].data();
  }
  const auto place = [&](const auto& list, std::size_t room) {
    using entry = typename std::decay_t<decltype(list)>::value_type;
    auto* target = reinterpret_cast<entry*>(memory);
    if (!list.empty()) {
      copy_to_device(target, list.data(), list.size() * sizeof(entry), stream());
    }
    memory += room * sizeof(entry);
    return target;
  };
  image.slot.uses = place(image.uses, uses);
  image.slot.max_uses = static_cast<std::uint32_t>(uses);
  image.slot.biases = place(image.biases, biases);
  image.slot.impossible = place(image.impossible, 0);
}

// The copies are of pageable memory: it has been read when the calls return.
void cuda_device::start_slot(const slot_start& start) {
  use_gpu(options_.device_index);
  slot_image image = make_slot_image(start, options_.eos_token_ids, options_.num_tokens);
  place_lists(start.slot, image);
  image.slot.num_logprobs =
      std::min(image.slot.num_logprobs, static_cast<std::int32_t>(options_.max_logprobs));
  num_logprobs_[start.slot] = image.slot.num_logprobs;
  copy_to_device(sampling_slots_.as<sampling_slot>() + start.slot, &image.slot,
                 sizeof(sampling_slot), stream());
}

bool cuda_device::is_decode(const step_inputs& inputs) const {
  return options_.use_graphs && inputs.tokens.size() <= max_graph_rows &&
         inputs.logit_rows.size() == inputs.tokens.size() &&
         inputs.chunks.size() == inputs.tokens.size();
}

step_counts cuda_device::count_step(const step_inputs& inputs) const {
  return {static_cast<std::uint32_t>(inputs.tokens.size()),
          static_cast<std::uint32_t>(inputs.logit_rows.size()),
          static_cast<std::uint32_t>(plan_.parts.size()),
          static_cast<std::uint32_t>(plan_.rows.size()),
          static_cast<std::uint32_t>(plan_.tiles.size()),
          static_cast<std::uint32_t>(inputs.page_table.size())};
}

void cuda_device::pad_to_bucket(step_counts& counts) const {
  const std::uint32_t most =
      std::min({options_.max_num_rows, options_.max_num_logit_rows, options_.max_num_seqs});
  const std::uint32_t rows = std::min(bucket_of(counts.rows), most);
  counts.rows = counts.logit_rows = rows;
  if (options_.deterministic) {
    counts.tiles = rows;
    return;
  }
  counts.decode_rows = rows;
  counts.decode_parts = std::min(std::bit_ceil(std::max(rows, counts.decode_parts)),
                                 sizes_.largest_step.decode_parts);
}

void cuda_device::begin_step(const step_inputs& inputs) {
  use_gpu(options_.device_index);
  if (in_flight_.size() == num_steps_in_flight) {
    throw device_error("More steps are begun than the device can hold.");
  }
  end_step();
  const std::size_t ring_idx = num_begun_++ % num_steps_in_flight;
  step_memory& memory = ring_[ring_idx];
  // Whether a row came alone is the schedule's doing.
  plan_attention(inputs.chunks, options_.heads.num_q_heads / options_.heads.num_kv_heads, plan_,
                 options_.deterministic ? lone_rows::as_tiles : lone_rows::as_parts);
  step_counts counts = count_step(inputs);
  const bool is_padded = is_decode(inputs);
  if (is_padded) pad_to_bucket(counts);
  layout_ = step_layout(counts);
  write_step(inputs, plan_, layout_, memory.block.data());
  copy_to_device(step_block_.data(), memory.block.data(), layout_.size, stream());
  step_in_flight step{.ring_idx = ring_idx};
  for (const std::uint32_t row : inputs.logit_rows) {
    step.slots.push_back(inputs.slots[row]);
    step.num_logprobs.push_back(num_logprobs_[inputs.slots[row]]);
  }
  step.num_rows = static_cast<std::uint32_t>(step.slots.size());
  in_flight_.push_back(std::move(step));
  if (is_padded) {
    graphs_.begin({counts.rows, counts.decode_parts});
  } else {
    graphs_.begin_eager();
  }
}

choice_layout cuda_device::upload_choice(std::span<const sampled_row> rows) {
  const choice_layout layout = plan_choice(rows, layout_.logit_rows.count);
  std::byte* block = ring_[in_flight_.back().ring_idx].choice.data();
  write_choice(rows, layout, block);
  copy_to_device(choice_block_.data(), block, layout.size, stream());
  return layout;
}

// Everything up to the logits is one graph.
void cuda_device::end_operations() {
  const bool is_alone = ranks_ == nullptr || ranks_->size() == 1;
  graphs_.end(is_alone, [this](bool mine) { return agree_with_ranks(mine); });
}

// Waits for the device: only when a graph was made, or could not be.
bool cuda_device::agree_with_ranks(bool mine) {
  constexpr std::size_t others = 4;  // where everybody's words begin
  auto* here = words_read_.as<std::uint32_t>();
  auto* there = words_.as<std::uint32_t>();
  here[0] = mine ? 1 : 0;
  copy_to_device(there, here, sizeof *here, stream());
  ranks_->all_gather(there, sizeof *there, there + others, stream());
  copy_to_host(here + others, there + others, ranks_->size() * sizeof *here, stream());
  record(words_are_here_, stream());
  while (!has_come(words_are_here_)) std::this_thread::yield();
  return std::all_of(here + others, here + others + ranks_->size(),
                     [](std::uint32_t word) { return word == 1; });
}

// Nothing more will be enqueued for the last step that was begun.
void cuda_device::end_step() {
  if (in_flight_.empty() || in_flight_.back().ended) return;
  end_operations();
  step_in_flight& step = in_flight_.back();
  step.ended = true;
  step_memory& memory = ring_[step.ring_idx];
  if (step.sampled) {
    read_samples(step, memory);
  } else {
    record(memory.done, stream());
  }
}

// Beside the next step: results and events are this step's own.
void cuda_device::read_samples(const step_in_flight& step, step_memory& memory) {
  record(memory.sampled, stream());
  wait_for(side_stream_.get(), memory.sampled);
  const bool wants_likely = std::ranges::any_of(step.num_logprobs, [](int n) { return n > 0; });
  const std::size_t chosen_bytes = step.num_rows * sizeof(chosen_token);
  const std::size_t read_bytes = wants_likely ? sizes_.result_bytes : chosen_bytes;
  copy_to_host(memory.read.data(), memory.results.data(), read_bytes, side_stream_.get());
  copy_to_host(memory.read.data() + sizes_.result_bytes, fault_.data(), sizeof(device_fault),
               side_stream_.get());
  record(memory.done, side_stream_.get());
}

// A peer's failure would leave the device waiting for ever, so the communicator is asked, too.
bool cuda_device::has_come(const event_owner& event) {
  use_gpu(options_.device_index);
  const bool has = is_done(event);
  // What was told to stop ends, too, with results that mean nothing.
  if (ranks_ != nullptr) ranks_->check();
  return has;
}

bool cuda_device::has_logits() {
  return in_flight_.empty() || has_come(ring_[in_flight_.back().ring_idx].logits);
}

bool cuda_device::is_step_done() {
  if (in_flight_.empty()) return true;
  use_gpu(options_.device_index);
  if (in_flight_.size() == 1) end_step();
  return has_come(ring_[in_flight_.front().ring_idx].done);
}

std::vector<slot_sample> cuda_device::take_samples(const step_in_flight& step,
                                                   const step_memory& memory) {
  auto fault = device_fault::none;
  std::copy_n(memory.read.data() + sizes_.result_bytes, sizeof fault,
              reinterpret_cast<std::byte*>(&fault));
  if (fault == device_fault::unknown_token)
    throw device_error("A token outside the vocabulary came to the device.");
  if (fault == device_fault::no_numbers) throw device_error("The model's logits are no numbers.");
  const auto* chosen = memory.read.as<chosen_token>();
  const auto* likely = reinterpret_cast<const likely_token*>(
      memory.read.data() + options_.max_num_logit_rows * sizeof(chosen_token));
  std::vector<slot_sample> out;
  for (std::uint32_t i = 0; i < step.num_rows; ++i) {
    if (chosen[i].token == not_sampled) continue;
    slot_sample one{step.slots[i], {chosen[i].token, chosen[i].logprob, {}}};
    for (int k = 0; k < step.num_logprobs[i]; ++k) {
      const likely_token& entry = likely[i * options_.max_logprobs + static_cast<unsigned>(k)];
      one.sampled.most_likely.push_back({entry.token, entry.logprob});
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<slot_sample> cuda_device::finish_step() {
  if (in_flight_.empty()) return {};
  use_gpu(options_.device_index);
  end_step();
  const step_in_flight step = std::move(in_flight_.front());
  in_flight_.pop_front();
  const step_memory& memory = ring_[step.ring_idx];
  // The thread looks again and again: a step is too short to sleep in.
  while (!has_come(memory.done)) std::this_thread::yield();
  return step.sampled ? take_samples(step, memory) : std::vector<slot_sample>{};
}

void cuda_device::read_logits(const gathered_logits& logits, std::span<float> out) {
  use_gpu(options_.device_index);
  const std::size_t columns = logits.columns_per_rank;
  const std::size_t width = logits.num_ranks * columns;
  std::vector<float> all(logits.num_rows * width);
  copy_to_host(all.data(), logits.data, all.size() * sizeof(float), stream());
  synchronize(stream());
  for (std::size_t row = 0; row < std::min<std::size_t>(logits.num_rows, out.size() / width);
       ++row) {
    for (std::size_t r = 0; r < logits.num_ranks; ++r) {
      std::copy_n(all.data() + (r * logits.num_rows + row) * columns, columns,
                  out.data() + row * width + r * columns);
    }
  }
}

}  // namespace troupe::cuda
