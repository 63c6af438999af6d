// The operations of one forward pass: which kernel computes what, from which memory.
#include <utility>

#include "cuda/cuda_device.hpp"

namespace troupe::cuda {
namespace {

// A device is given what it made itself.
const cuda_matrix& of(const device_matrix& m) { return static_cast<const cuda_matrix&>(m); }
const cuda_vector& of(const device_vector& v) { return static_cast<const cuda_vector&>(v); }
bf16* data_of(activation x) { return static_cast<bf16*>(x.data); }

}  // namespace

void cuda_device::embed(const device_matrix& table, activation x) {
  const weight_view weights = of(table).view();
  const embed_args args{.table = weights.halves,
                        .bytes = weights.bytes,
                        .scales = weights.scales,
                        .tokens = in_step(layout_.tokens),
                        .slots = in_step(layout_.slots),
                        .next_tokens = next_tokens_.as<std::int32_t>(),
                        .out = data_of(x),
                        .fault = fault_.as<device_fault>(),
                        .num_rows = layout_.tokens.count,
                        .width = x.width,
                        .vocab_size = table.out_features()};
  graphs_.tell([this, args] { check_launch(cuda::embed(args, stream()), "embed"); });
}

void cuda_device::norm(const activation* addend, activation residual, const device_vector& weight,
                       float eps, activation out, const std::uint32_t* rows,
                       std::uint32_t num_rows) {
  const add_rms_norm_args args{.addend = addend != nullptr ? data_of(*addend) : nullptr,
                               .residual = data_of(residual),
                               .weight = of(weight).floats(),
                               .rows = rows,
                               .out = data_of(out),
                               .num_rows = num_rows,
                               .width = residual.width,
                               .eps = eps};
  graphs_.tell([this, args] { check_launch(cuda::add_rms_norm(args, stream()), "add_rms_norm"); });
}

void cuda_device::add_rms_norm(const activation* addend, activation residual,
                               const device_vector& weight, float eps, activation out) {
  norm(addend, residual, weight, eps, out, nullptr, layout_.tokens.count);
}

void cuda_device::norm_logit_rows(activation addend, activation residual,
                                  const device_vector& weight, float eps, activation out) {
  norm(&addend, residual, weight, eps, out, in_step(layout_.logit_rows), layout_.logit_rows.count);
}

void cuda_device::multiply(activation x, std::uint32_t rows, const device_matrix& matrix,
                           const device_vector* bias, void* out, bool is_float32) {
  const gemm_shape shape{matrix.out_features(), matrix.in_features(), bias != nullptr, is_float32,
                         of(matrix).kind() == weight_kind::bytes};
  const gemm_call call{.x = data_of(x),
                       .weights = of(matrix).view(),
                       .bias = bias != nullptr ? of(*bias).halves() : nullptr,
                       .bias_float32 = bias != nullptr ? of(*bias).floats() : nullptr,
                       .out = out,
                       .num_rows = rows};
  graphs_.tell([this, shape, call] { gemm_.run(shape, call, stream()); });
}

void cuda_device::linear(activation x, const device_matrix& matrix, const device_vector* bias,
                         activation out) {
  multiply(x, layout_.tokens.count, matrix, bias, out.data, false);
}

void cuda_device::logits(activation x, const device_matrix& head, activation out) {
  multiply(x, layout_.logit_rows.count, head, nullptr, out.data, true);
}

kv_pages cuda_device::pages_of(std::uint32_t layer) const {
  const std::size_t layer_bytes = sizes_.layer_page_bytes * options_.num_pages;
  return {keys_.data() + layer * layer_bytes, values_.data() + layer * layer_bytes, options_.kv,
          options_.num_pages};
}

void cuda_device::rope_kv_write(std::uint32_t layer, activation qkv) {
  const rope_kv_write_args args{.qkv = data_of(qkv),
                                .positions = in_step(layout_.positions),
                                .ropes = in_step(layout_.ropes),
                                .kv_places = in_step(layout_.kv_places),
                                .tables = {ropes_[0], ropes_[1]},
                                .pages = pages_of(layer),
                                .heads = options_.heads,
                                .num_rows = layout_.tokens.count};
  graphs_.tell(
      [this, args] { check_launch(cuda::rope_kv_write(args, stream()), "rope_kv_write"); });
}

attention_args cuda_device::attention_of(std::uint32_t layer, activation qkv,
                                         activation out) const {
  return {.qkv = data_of(qkv),
          .qkv_stride = qkv.width,
          .pages = pages_of(layer),
          .page_table = in_step(layout_.page_table),
          .out = data_of(out),
          .heads = options_.heads};
}

void cuda_device::attention(std::uint32_t layer, activation qkv, activation out) {
  const attention_args common = attention_of(layer, qkv, out);
  const decode_attention_args decode{.attention = common,
                                     .parts = in_step(layout_.decode_parts),
                                     .rows = in_step(layout_.decode_rows),
                                     .num_parts = layout_.decode_parts.count,
                                     .num_rows = layout_.decode_rows.count,
                                     .partial_sums = partial_sums_.as<float>(),
                                     .partial_scale = partial_scale_.as<float>()};
  graphs_.tell(
      [this, decode] { check_launch(decode_attention(decode, stream()), "decode_attention"); });
  const prefill_attention_args prefill{
      .attention = common, .tiles = in_step(layout_.tiles), .num_tiles = layout_.tiles.count};
  const bool has_warpgroups =
      options_.prefill == prefill_kernel::wgmma && options_.kv == kv_format::bf16;
  graphs_.tell([this, prefill, has_warpgroups] {
    if (has_warpgroups) {
      check_launch(wgmma_prefill_attention(prefill, stream()), "wgmma_prefill_attention");
    } else {
      check_launch(prefill_attention(prefill, stream()), "prefill_attention");
    }
  });
}

void cuda_device::silu_mul(activation gate_up, activation out) {
  const silu_mul_args args{.gate_up = data_of(gate_up),
                           .out = data_of(out),
                           .num_rows = layout_.tokens.count,
                           .width = out.width};
  graphs_.tell([this, args] { check_launch(cuda::silu_mul(args, stream()), "silu_mul"); });
}

void cuda_device::all_reduce(communicator& ranks, activation x) {
  use(ranks);
  const std::uint64_t count = std::uint64_t{layout_.tokens.count} * x.width;
  graphs_.tell([this, x, count] { ranks_->all_reduce(data_of(x), count, stream()); });
}

gathered_logits cuda_device::gather_logits(communicator& ranks, activation local, activation all) {
  use(ranks);
  const std::uint32_t rows = layout_.logit_rows.count;
  const bool is_alone = ranks.size() == 1;
  if (!is_alone) {
    const std::size_t num_bytes = std::size_t{rows} * local.width * sizeof(float);
    graphs_.tell([this, local, all, num_bytes] {
      ranks_->all_gather(local.data, num_bytes, all.data, stream());
    });
  }
  end_operations();
  record(ring_[in_flight_.back().ring_idx].logits, stream());
  return {is_alone ? local.data : all.data, ranks.size(), rows, local.width};
}

namespace {

// Rows that do not sample answer nothing: every bit of not_sampled is set.
void forget_choices(chosen_token* chosen, std::size_t count, cudaStream_t stream) {
  static_assert(not_sampled == -1);
  check_cuda(cudaMemsetAsync(chosen, 0xFF, count * sizeof(chosen_token), stream),
             "cudaMemsetAsync");
}

}  // namespace

void cuda_device::sample(const gathered_logits& logits, std::span<const sampled_row> rows) {
  step_in_flight& step = in_flight_.back();
  auto* chosen = ring_[step.ring_idx].results.as<chosen_token>();
  if (rows.size() < step.num_rows) {
    forget_choices(chosen, step.num_rows, stream());
  }
  const choice_layout choice = upload_choice(rows);
  const std::byte* block = choice_block_.data();
  const sample_args args{
      .logits = static_cast<const float*>(logits.data),
      .num_ranks = logits.num_ranks,
      .num_rows = logits.num_rows,
      .columns_per_rank = logits.columns_per_rank,
      .num_tokens = options_.num_tokens,
      .groups = choice.groups.at(block),
      .num_groups = choice.groups.count,
      .tokens = in_step(layout_.tokens),
      .logit_rows = in_step(layout_.logit_rows),
      .mask_indices = choice.mask_indices.at(block),
      .masks = choice.masks.at(block),
      .first_eos = options_.eos_token_ids.empty() ? -1 : options_.eos_token_ids.front(),
      .fault = fault_.as<device_fault>(),
      .slots = sampling_slots_.as<sampling_slot>(),
      .next_tokens = next_tokens_.as<std::int32_t>(),
      .chosen = chosen,
      .most_likely = reinterpret_cast<likely_token*>(chosen + options_.max_num_logit_rows),
      .max_logprobs = options_.max_logprobs,
      .scratch = sample_scratch_.data(),
      .num_scratch_rows = sizes_.num_scratch_rows};
  check_launch(cuda::sample(args, stream()), "sample");
  step.sampled = true;
}

void cuda_device::share_samples(communicator& ranks, std::span<const sampled_row>) {
  use(ranks);
  if (ranks.size() == 1) return;
  const step_in_flight& step = in_flight_.back();
  auto* chosen = ring_[step.ring_idx].results.as<chosen_token>();
  ranks_->broadcast(chosen, step.num_rows * sizeof(chosen_token), stream());
  if (ranks.rank() == 0) return;
  const store_samples_args args{.chosen = chosen,
                                .slots = in_step(layout_.logit_slots),
                                .next_tokens = next_tokens_.as<std::int32_t>(),
                                .num_rows = step.num_rows};
  check_launch(store_samples(args, stream()), "store_samples");
}

void cuda_device::choose_gemms(
    const std::vector<std::pair<gemm_shape, std::vector<weight_view>>>& matrices,
    std::uint32_t max_rows, gemm_choices& out) {
  use_gpu(options_.device_index);
  for (const auto& [shape, weights] : matrices) {
    if (out.contains(shape)) continue;
    const std::uint32_t width = std::max(shape.out_features, 1U);
    const device_buffer x =
        make_device_buffer(std::size_t{max_rows} * shape.in_features * sizeof(bf16));
    const device_buffer y = make_device_buffer(std::size_t{max_rows} * width *
                                               (shape.is_float32 ? sizeof(float) : sizeof(bf16)));
    const device_buffer bias = make_device_buffer(width * sizeof(float));
    fill_zero(x.data(), x.size(), stream());
    fill_zero(bias.data(), bias.size(), stream());
    const gemm_call call{.x = x.as<bf16>(),
                         .bias = bias.as<bf16>(),
                         .bias_float32 = bias.as<float>(),
                         .out = y.data()};
    gemm_.choose(shape, weights, call, max_rows, stream(), out);
  }
}

}  // namespace troupe::cuda
