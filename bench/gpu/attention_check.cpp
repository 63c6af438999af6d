// The kernels of attention for long chunks against their formula in double precision, on pages that
// lie anywhere and end in numbers that are none: where two kernels do the same, both must.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>

#include "cuda/cuda_error.hpp"
#include "gpu/engine.hpp"

namespace troupe::bench {
namespace {

using cuda::bf16;
using cuda::device_buffer;

constexpr double tolerance = 1e-2;  // of the largest number of a row's head

struct check_shape {
  cuda::head_shape heads;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> chunks;  // rows, tokens before them
};

std::vector<bf16> to_bf16(const std::vector<float>& values) {
  std::vector<bf16> out;
  for (const float x : values) out.push_back(to_bfloat16(x));
  return out;
}

class attention_check {
 public:
  explicit attention_check(const check_shape& shape) : heads_(shape.heads) {
    std::mt19937 random(1);
    for (const auto& [rows, before] : shape.chunks) {
      const std::uint32_t pages = (rows + before + page_size_tokens - 1) / page_size_tokens;
      chunks_.push_back(
          {num_rows_, rows, before, static_cast<std::uint32_t>(table_.size()), pages});
      table_.resize(table_.size() + pages);
      num_rows_ += rows;
    }
    std::iota(table_.begin(), table_.end(), 0U);
    std::shuffle(table_.begin(), table_.end(), random);
    std::normal_distribution<float> normal;
    const auto draw = [&] { return to_float(to_bfloat16(normal(random))); };
    qkv_.resize(std::size_t{num_rows_} * width() * heads_.head_dim);
    std::ranges::generate(qkv_, draw);
    const std::size_t page_numbers =
        std::size_t{heads_.num_kv_heads} * page_size_tokens * heads_.head_dim;
    keys_.assign(table_.size() * page_numbers, std::numeric_limits<float>::quiet_NaN());
    values_ = keys_;
    for (const attention_chunk& chunk : chunks_) {
      for (std::uint32_t t = 0; t < chunk.first_position + chunk.num_rows; ++t) {
        for (std::uint32_t h = 0; h < heads_.num_kv_heads; ++h) {
          for (std::uint32_t i = 0; i < heads_.head_dim; ++i) {
            keys_[line(chunk, t, h) + i] = draw();
            values_[line(chunk, t, h) + i] = draw();
          }
        }
      }
    }
  }

  double error_of(cuda::prefill_launch prefill, cudaStream_t stream) const {
    const device_buffer qkv = upload(to_bf16(qkv_), stream);
    const device_buffer keys = upload(to_bf16(keys_), stream);
    const device_buffer values = upload(to_bf16(values_), stream);
    const device_buffer table = upload(table_, stream);
    cuda::attention_plan plan;
    plan_attention(chunks_, group(), plan, cuda::lone_rows::as_tiles);
    const device_buffer tiles = upload(plan.tiles, stream);
    std::vector<bf16> out(std::size_t{num_rows_} * heads_.num_q_heads * heads_.head_dim);
    const device_buffer out_on = upload(out, stream);
    const cuda::attention_args common{.qkv = qkv.as<bf16>(),
                                      .qkv_stride = width() * heads_.head_dim,
                                      .pages = {keys.data(), values.data(), cuda::kv_format::bf16,
                                                static_cast<std::uint32_t>(table_.size())},
                                      .page_table = table.as<std::uint32_t>(),
                                      .out = out_on.as<bf16>(),
                                      .heads = heads_};
    cuda::check_launch(prefill({common, tiles.as<cuda::prefill_tile>(),
                                static_cast<std::uint32_t>(plan.tiles.size())},
                               stream),
                       "attention");
    cuda::copy_to_host(out.data(), out_on.data(), out.size() * sizeof(bf16), stream);
    cuda::synchronize(stream);
    double worst = 0;
    for (const attention_chunk& chunk : chunks_) {
      for (std::uint32_t row = 0; row < chunk.num_rows; row += row < 3 ? 1 : 13) {
        for (std::uint32_t head = 0; head < heads_.num_q_heads; ++head) {
          const double error = error_of_head(out, chunk, row, head);
          if (!(error <= worst)) worst = error;
        }
      }
    }
    return worst;
  }

 private:
  std::uint32_t group() const { return heads_.num_q_heads / heads_.num_kv_heads; }
  std::uint32_t width() const { return heads_.num_q_heads + 2 * heads_.num_kv_heads; }
  std::size_t line(const attention_chunk& chunk, std::uint32_t position,
                   std::uint32_t kv_head) const {
    const std::size_t page = table_[chunk.first_page_idx + position / page_size_tokens];
    return ((page * heads_.num_kv_heads + kv_head) * page_size_tokens +
            position % page_size_tokens) *
           heads_.head_dim;
  }

  double error_of_head(const std::vector<bf16>& out, const attention_chunk& chunk,
                       std::uint32_t row, std::uint32_t head) const {
    const std::uint32_t dim = heads_.head_dim;
    const std::size_t step_row = chunk.first_row + row;
    const float* query = &qkv_[(step_row * width() + head) * dim];
    std::vector<double> wanted(dim);
    double total = 0;
    for (std::uint32_t t = 0; t <= chunk.first_position + row; ++t) {
      const std::size_t at = line(chunk, t, head / group());
      double score = 0;
      for (std::uint32_t i = 0; i < dim; ++i) score += double{query[i]} * keys_[at + i];
      const double chance = std::exp(score / std::sqrt(static_cast<double>(dim)));
      total += chance;
      for (std::uint32_t i = 0; i < dim; ++i) wanted[i] += chance * values_[at + i];
    }
    double largest = 0;
    double apart = 0;
    for (std::uint32_t i = 0; i < dim; ++i) {
      const double x = to_float(out[(step_row * heads_.num_q_heads + head) * dim + i]);
      largest = std::max(largest, std::abs(wanted[i] / total));
      const double one = std::abs(x - wanted[i] / total);
      if (!(one <= apart)) apart = one;
    }
    return apart / largest;
  }

  template <class T>
  static device_buffer upload(const std::vector<T>& values, cudaStream_t stream) {
    device_buffer out = cuda::make_device_buffer(values.size() * sizeof(T));
    cuda::copy_to_device(out.data(), values.data(), out.size(), stream);
    cuda::synchronize(stream);
    return out;
  }

  cuda::head_shape heads_;
  std::uint32_t num_rows_ = 0;
  std::vector<attention_chunk> chunks_;
  std::vector<std::uint32_t> table_;
  std::vector<float> qkv_;   // [num_rows, q heads + 2 KV heads, head_dim]
  std::vector<float> keys_;  // [pages, KV heads, 16, head_dim]
  std::vector<float> values_;
};

}  // namespace

std::vector<std::pair<std::string, cuda::prefill_launch>> prefill_kernels() {
  std::vector<std::pair<std::string, cuda::prefill_launch>> out{
      {"prefill_attention", &cuda::prefill_attention}};
  const auto gpus = list_gpus(1);
  if (gpus && gpus->front().compute_capability == cuda::wgmma_capability) {
    out.emplace_back("wgmma_prefill_attention", &cuda::wgmma_prefill_attention);
  }
  return out;
}

void check_attention() {
  cuda::use_gpu(0);
  const cuda::stream_owner owner = cuda::make_stream();
  bool is_fine = true;
  for (const check_shape& shape :
       {check_shape{{7, 1, 128}, {{300, 0}, {1, 130}, {37, 700}}},
        check_shape{{14, 2, 64}, {{20, 1000}, {129, 127}, {2, 0}}},
        check_shape{{2, 2, 128}, {{128, 128}, {3, 2500}}}, check_shape{{8, 1, 64}, {{17, 5}}}}) {
    const attention_check check(shape);
    for (const auto& [name, prefill] : prefill_kernels()) {
      const double error = check.error_of(prefill, owner.get());
      is_fine = is_fine && error < tolerance;
      print_row({"attention", name,
                 std::to_string(shape.heads.num_q_heads) + "/" +
                     std::to_string(shape.heads.num_kv_heads) + " heads of " +
                     std::to_string(shape.heads.head_dim),
                 number(error, 5)});
    }
  }
  if (!is_fine) throw std::runtime_error("attention is further from float64 than bfloat16 may be");
}

}  // namespace troupe::bench
