// Ceilings, and every kernel against them.
#include <algorithm>
#include <utility>

#include "cuda/cuda_error.hpp"
#include "cuda/device_sizes.hpp"
#include "cuda/gemm.hpp"
#include "gpu/engine.hpp"
#include "model/dummy_weights.hpp"

namespace troupe::bench {
namespace {

using cuda::bf16;
using cuda::check_launch;
using cuda::device_buffer;

device_buffer zeros(std::size_t num_bytes, cudaStream_t stream) {
  device_buffer out = cuda::make_device_buffer(num_bytes);
  cuda::fill_zero(out.data(), num_bytes, stream);
  return out;
}

// Small random numbers: multiplying zeros takes less power and is faster than any model.
device_buffer noise(std::size_t num_bytes, cudaStream_t stream) {
  static const std::vector<bfloat16> numbers = [] {
    std::vector<bfloat16> out(std::size_t{1} << 22U);
    const std::uint64_t key = dummy_key(1, "noise");
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = dummy_element(key, i);
    return out;
  }();
  device_buffer out = cuda::make_device_buffer(num_bytes);
  const std::size_t at_once = numbers.size() * sizeof(bfloat16);
  for (std::size_t done = 0; done < num_bytes; done += at_once) {
    cuda::copy_to_device(out.data() + done, numbers.data(), std::min(at_once, num_bytes - done),
                         stream);
  }
  return out;
}

// What a kernel moves and computes in one call.
struct work {
  double bytes = 0;
  double flops = 0;
};

void print_kernel(const std::string& name, const std::string& shape, double us, work done) {
  print_row({"kernel", name, shape, number(us), number(done.bytes / us / 1e3),
             number(done.flops / us / 1e6)});
}

class kernel_table {
 public:
  kernel_table(const model_config& config, bool is_tiny)
      : config_(config),
        heads_{config.num_attention_heads, config.num_key_value_heads, config.head_dim},
        max_rows_(is_tiny ? 32 : 2048),
        max_context_(is_tiny ? 64 : 4096),
        stream_(cuda::make_stream()),
        gemm_(false, true) {
    const std::size_t widest =
        std::max({2 * config.intermediate_size, config.vocab_size / 8, qkv_width()});
    a_ = noise(max_rows_ * widest * sizeof(bf16), stream());
    b_ = zeros(max_rows_ * widest * sizeof(bf16), stream());
    floats_ = zeros(widest * sizeof(float), stream());
  }

  void measure() {
    for (const std::uint32_t rows : row_counts()) {
      measure_rows(rows);
      measure_linears(rows);
    }
    for (const auto format : {cuda::kv_format::bf16, cuda::kv_format::e4m3}) {
      measure_decode(format);
      measure_prefill(format);
    }
    measure_samples();
  }

 private:
  cudaStream_t stream() const { return stream_.get(); }
  std::uint32_t qkv_width() const {
    return (heads_.num_q_heads + 2 * heads_.num_kv_heads) * heads_.head_dim;
  }
  std::vector<std::uint32_t> row_counts() const {
    std::vector<std::uint32_t> out;
    for (const std::uint32_t rows : {1U, 8U, 16U, 64U, 256U, 2048U}) {
      if (rows <= max_rows_) out.push_back(rows);
    }
    return out;
  }

  void measure_rows(std::uint32_t rows) {
    const std::string shape = "rows=" + std::to_string(rows);
    const cuda::add_rms_norm_args norm{.addend = b_.as<bf16>(),
                                       .residual = a_.as<bf16>(),
                                       .weight = floats_.as<float>(),
                                       .out = b_.as<bf16>() + std::size_t{rows} * hidden(),
                                       .num_rows = rows,
                                       .width = hidden(),
                                       .eps = 1e-6F};
    double us = time_on(
        stream(), [&](int) { check_launch(cuda::add_rms_norm(norm, stream()), "add_rms_norm"); });
    print_kernel("add_rms_norm", shape, us, {4.0 * rows * hidden() * sizeof(bf16), 0});
    const cuda::silu_mul_args silu{.gate_up = a_.as<bf16>(),
                                   .out = b_.as<bf16>(),
                                   .num_rows = rows,
                                   .width = config_.intermediate_size};
    us = time_on(stream(), [&](int) { check_launch(cuda::silu_mul(silu, stream()), "silu_mul"); });
    print_kernel("silu_mul", shape, us, {3.0 * rows * silu.width * sizeof(bf16), 0});
  }

  void measure_linears(std::uint32_t rows) {
    const std::uint32_t features = config_.intermediate_size;
    for (const bool has_bytes : {false, true}) {
      measure_linear("qkv", {qkv_width(), hidden(), true, false, has_bytes}, rows);
      measure_linear("o", {hidden(), heads_.num_q_heads * heads_.head_dim, false, false, has_bytes},
                     rows);
      measure_linear("gate_up", {2 * features, hidden(), false, false, has_bytes}, rows);
      measure_linear("down", {hidden(), features, false, false, has_bytes}, rows);
      if (rows > 256) continue;
      measure_linear("lm_head", {config_.vocab_size, hidden(), false, true, has_bytes}, rows);
    }
  }

  // Enough matrices that none stays in a cache from turn to turn.
  void measure_linear(const std::string& name, const cuda::gemm_shape& shape, std::uint32_t rows) {
    const std::size_t elements = std::size_t{shape.out_features} * shape.in_features;
    const std::size_t bytes = elements * (shape.has_bytes ? 1 : sizeof(bf16));
    const device_buffer scales =
        noise(std::size_t{shape.out_features} * num_groups(shape.in_features) * 2, stream());
    const std::size_t copies = std::clamp<std::size_t>((256U << 20U) / bytes, 1, 8);
    const device_buffer weights = noise(copies * bytes, stream());
    const device_buffer out =
        zeros(std::size_t{rows} * shape.out_features * sizeof(float), stream());
    std::vector<cuda::weight_view> matrices;
    for (std::size_t i = 0; i < copies; ++i) {
      matrices.push_back({.halves = weights.as<bf16>() + i * elements});
      if (shape.has_bytes) {
        matrices.back() = {.bytes = weights.as<std::int8_t>() + i * elements,
                           .scales = scales.as<float16>()};
      }
    }
    cuda::gemm_call call{.x = a_.as<bf16>(),
                         .bias = floats_.as<bf16>(),
                         .bias_float32 = floats_.as<float>(),
                         .out = out.data(),
                         .num_rows = rows};
    cuda::gemm_choices chosen;
    gemm_.choose_one(shape, matrices, call, stream(), chosen);
    const bool is_skinny = chosen[shape].lower_bound(rows)->second.is_skinny;
    gemm_.use(std::make_shared<const cuda::gemm_choices>(std::move(chosen)));
    const double us = time_on(stream(), [&](int i) {
      call.weights = matrices[static_cast<std::size_t>(i) % matrices.size()];
      gemm_.run(shape, call, stream());
    });
    const double out_bytes = 1.0 * rows * shape.out_features * (shape.is_float32 ? 4 : 2);
    print_kernel(name + (shape.has_bytes ? " int8" : "") + (is_skinny ? " (own)" : " (cuBLASLt)"),
                 "rows=" + std::to_string(rows), us,
                 {bytes + 2.0 * rows * shape.in_features + out_bytes,
                  2.0 * rows * static_cast<double>(elements)});
  }

  // `rows` sequences of so many tokens, each on pages of its own.
  void measure_decode(cuda::kv_format format) {
    for (const auto& [rows, context] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
             {1, 512}, {8, 512}, {16, 512}, {64, 1024}, {256, 1024}, {1, 4096}, {16, 4096}}) {
      if (rows > max_rows_ || context > max_context_) continue;
      measure_attention("decode_attention", format, {rows, 1, context});
    }
    if (max_context_ < 512) measure_attention("decode_attention", format, {4, 1, max_context_});
  }

  void measure_prefill(cuda::kv_format format) {
    const std::uint32_t rows = std::min(max_rows_, max_context_);
    for (const auto& [name, prefill] : prefill_kernels()) {
      if (format == cuda::kv_format::e4m3 && prefill != &cuda::prefill_attention) continue;
      measure_attention(name, format, {1, rows, rows}, prefill);
      measure_attention(name, format, {1, rows / 4, max_context_}, prefill);
      measure_attention(name, format, {1, rows, 8 * max_context_}, prefill);
    }
  }

  // So many sequences with `chunk` rows at the end of their context.
  struct attention_shape {
    std::uint32_t sequences;
    std::uint32_t chunk;
    std::uint32_t context;
  };
  void measure_attention(const std::string& name, cuda::kv_format format,
                         const attention_shape& shape,
                         cuda::prefill_launch prefill = &cuda::prefill_attention) {
    const auto& [sequences, chunk, context] = shape;
    const std::uint32_t pages = (context + page_size_tokens - 1) / page_size_tokens;
    std::vector<attention_chunk> chunks;
    std::vector<page_idx> table;
    for (std::uint32_t s = 0; s < sequences; ++s) {
      chunks.push_back({s * chunk, chunk, context - chunk, s * pages, pages});
      // Neighbours in a sequence are no neighbours in memory.
      for (std::uint32_t p = 0; p < pages; ++p) table.push_back(s + p * sequences);
    }
    cuda::attention_plan plan;
    plan_attention(chunks, heads_.num_q_heads / heads_.num_kv_heads, plan);
    const std::size_t page_bytes =
        heads_.num_kv_heads * cuda::head_page_bytes(format, heads_.head_dim);
    const device_buffer keys = noise(table.size() * page_bytes, stream());
    const device_buffer values = noise(table.size() * page_bytes, stream());
    const std::size_t sums = plan.parts.size() * heads_.num_q_heads;
    const device_buffer partial =
        zeros((sums + 1) * (heads_.head_dim + 2) * sizeof(float), stream());
    const device_buffer parts = upload(plan.parts);
    const device_buffer rows = upload(plan.rows);
    const device_buffer tiles = upload(plan.tiles);
    const device_buffer pages_of = upload(table);
    const cuda::attention_args common{
        .qkv = a_.as<bf16>(),
        .qkv_stride = qkv_width(),
        .pages = {keys.data(), values.data(), format, static_cast<std::uint32_t>(table.size())},
        .page_table = pages_of.as<std::uint32_t>(),
        .out = b_.as<bf16>(),
        .heads = heads_};
    const double us = time_on(stream(), [&](int) {
      check_launch(cuda::decode_attention(
                       {common, parts.as<cuda::decode_part>(), rows.as<cuda::decode_row>(),
                        static_cast<std::uint32_t>(plan.parts.size()),
                        static_cast<std::uint32_t>(plan.rows.size()),
                        partial.as<float>() + 2 * sums, partial.as<float>()},
                       stream()),
                   "decode_attention");
      check_launch(prefill({common, tiles.as<cuda::prefill_tile>(),
                            static_cast<std::uint32_t>(plan.tiles.size())},
                           stream()),
                   "prefill_attention");
    });
    const double seen = chunk * (context - chunk + (chunk + 1) / 2.0);
    print_kernel(name + (format == cuda::kv_format::e4m3 ? " fp8" : ""),
                 "seqs=" + std::to_string(sequences) + " rows=" + std::to_string(chunk) +
                     " context=" + std::to_string(context),
                 us,
                 {2.0 * static_cast<double>(table.size() * page_bytes),
                  4.0 * sequences * seen * heads_.num_q_heads * heads_.head_dim});
  }

  void measure_samples() {
    const std::uint32_t vocabulary = config_.vocab_size;
    for (const std::uint32_t rows : row_counts()) {
      if (rows > 256) continue;
      const device_buffer logits = noise(std::size_t{rows} * vocabulary * sizeof(float), stream());
      const std::uint32_t at_once = std::min(rows, 64U);
      const device_buffer scratch =
          zeros(at_once * cuda::sample_scratch_bytes(vocabulary), stream());
      std::vector<cuda::sampling_slot> slots(rows);
      for (cuda::sampling_slot& slot : slots) slot.top_p = 0.9F;
      std::vector<cuda::sample_group> groups;
      for (std::uint32_t i = 0; i < rows; ++i) groups.push_back({i, i, 1});
      const device_buffer slots_on = upload(slots);
      const device_buffer groups_on = upload(groups);
      const device_buffer numbers = upload(std::vector<std::uint32_t>(rows, no_mask));
      const device_buffer chosen = zeros(rows * sizeof(cuda::chosen_token), stream());
      const cuda::sample_args args{.logits = logits.as<float>(),
                                   .num_rows = rows,
                                   .columns_per_rank = vocabulary,
                                   .num_tokens = vocabulary,
                                   .groups = groups_on.as<cuda::sample_group>(),
                                   .num_groups = rows,
                                   .tokens = numbers.as<std::int32_t>(),
                                   .logit_rows = numbers.as<std::uint32_t>(),
                                   .mask_indices = numbers.as<std::uint32_t>(),
                                   .slots = slots_on.as<cuda::sampling_slot>(),
                                   .chosen = chosen.as<cuda::chosen_token>(),
                                   .scratch = scratch.data(),
                                   .num_scratch_rows = at_once};
      const double us =
          time_on(stream(), [&](int) { check_launch(cuda::sample(args, stream()), "sample"); });
      print_kernel("sample", "rows=" + std::to_string(rows), us,
                   {1.0 * rows * vocabulary * sizeof(float), 0});
    }
  }

  template <class T>
  device_buffer upload(const std::vector<T>& values) {
    device_buffer out = cuda::make_device_buffer(values.size() * sizeof(T));
    if (!values.empty()) cuda::copy_to_device(out.data(), values.data(), out.size(), stream());
    return out;
  }
  std::uint32_t hidden() const { return config_.hidden_size; }

  model_config config_;
  cuda::head_shape heads_;
  std::uint32_t max_rows_;
  std::uint32_t max_context_;
  cuda::stream_owner stream_;
  cuda::gemm gemm_;
  device_buffer a_;
  device_buffer b_;
  device_buffer floats_;
};

}  // namespace

void measure_ceilings(const engine_options& options) {
  const bool is_tiny = options.shape == "tiny";
  const std::size_t num_bytes = is_tiny ? std::size_t{1} << 20U : std::size_t{4} << 30U;
  const std::uint32_t side = is_tiny ? 64 : 8192;
  cuda::use_gpu(0);
  const cuda::stream_owner owner = cuda::make_stream();
  cudaStream_t stream = owner.get();
  {
    const device_buffer from = zeros(num_bytes, stream);
    const device_buffer to = zeros(num_bytes, stream);
    const auto amount = static_cast<double>(num_bytes);
    double us = time_on(stream, [&](int) {
      check_launch(cuda::read_memory(from.data(), num_bytes, to.as<std::uint32_t>(), stream),
                   "read_memory");
    });
    print_row({"ceiling", "read", number(amount / us / 1e3), "GB/s"});
    us = time_on(stream,
                 [&](int) { cuda::copy_on_device(to.data(), from.data(), num_bytes, stream); });
    print_row({"ceiling", "copy", number(2 * amount / us / 1e3), "GB/s"});
  }
  cuda::gemm gemm(false);
  const device_buffer x = noise(std::size_t{side} * side * sizeof(bf16), stream);
  const device_buffer weights = noise(std::size_t{side} * side * sizeof(bf16), stream);
  const device_buffer out = zeros(std::size_t{side} * side * sizeof(bf16), stream);
  const cuda::gemm_shape shape{side, side, false, false};
  const std::vector<cuda::weight_view> matrices = {{.halves = weights.as<bf16>()}};
  const cuda::gemm_call call{
      .x = x.as<bf16>(), .weights = matrices[0], .out = out.data(), .num_rows = side};
  cuda::gemm_choices chosen;
  gemm.choose_one(shape, matrices, call, stream, chosen);
  const double us = chosen[shape].begin()->second.microseconds;
  print_row({"ceiling", "multiply", number(2.0 * side * side * side / us / 1e6), "TFLOP/s"});
}

void measure_kernels(const engine_options& options) {
  cuda::use_gpu(0);
  kernel_table(shape_named(options.shape), options.shape == "tiny").measure();
}

}  // namespace troupe::bench
