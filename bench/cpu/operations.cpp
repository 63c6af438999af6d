// Time of every CPU operation at the shape of Qwen2.5-0.5B, one line each: GFLOP/s, and GB/s of the
// bytes that must be read at least once. Arguments: dtype (float32 or bfloat16), threads.
#include "cpu/kernels.hpp"
#include "cpu/kv_pages.hpp"
#include "model/token_choice.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>

using namespace troupe;

namespace {

// The best of several runs, in seconds: the machine may be shared.
double best_time(const std::function<void()>& work) {
  using clock = std::chrono::steady_clock;
  double best = 1e9;
  const auto end = clock::now() + std::chrono::milliseconds(300);
  do {
    const auto start = clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(clock::now() - start).count());
  } while (clock::now() < end);
  return best;
}

void report(const std::string& name, double seconds, double flops, double bytes) {
  std::printf("%-34s %10.1f us %9.1f GFLOP/s %8.1f GB/s\n", name.c_str(), seconds * 1e6,
              flops / seconds * 1e-9, bytes / seconds * 1e-9);
}

std::vector<float> random_floats(std::size_t count) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> out(count);
  for (float& x : out) x = uniform(random);
  return out;
}

// Reads as much as a decode step streams: what linear layers with one row are measured against.
void bench_memory(thread_pool& pool) {
  const aligned_buffer<std::uint64_t> data(std::size_t{64} << 20U);
  const std::uint32_t parts = 64;
  std::vector<std::uint64_t> sums(parts);
  const double seconds = best_time([&] {
    pool.parallel_for(parts, [&](std::uint32_t i, std::uint32_t) {
      const std::size_t count = data.size() / parts;
      const auto part = data.span().subspan(i * count, count);
      std::uint64_t lanes[8] = {};
      for (std::size_t k = 0; k < count; k += 8) {
        for (std::size_t l = 0; l < 8; ++l) lanes[l] += part[k + l];
      }
      for (std::uint64_t lane : lanes) sums[i] += lane;
    });
  });
  report("read 512 MiB", seconds, 0, static_cast<double>(data.size()) * 8);
}

void bench_linear(thread_pool& pool, dtype type, std::uint32_t rows, std::uint32_t in,
                  std::uint32_t out) {
  const auto weights = random_floats(std::size_t{in} * out);
  const linear_slice slice(
      {{out, 0, host_tensor{dtype::float32, {out, in}, std::as_bytes(std::span(weights))}, {}}},
      {{in, 0}});
  const packed_matrix matrix(slice, type, pool);
  const std::size_t stride = kernels::operand_stride(in, type);
  const auto x = random_floats(std::size_t{rows} * in);
  std::vector<std::uint32_t> operands(rows * stride);
  for (std::uint32_t r = 0; r < rows; ++r) {
    kernels::make_operand(&x[std::size_t{r} * in], in, type, &operands[r * stride]);
  }
  std::vector<float> result(std::size_t{rows} * out);
  const kernels::linear_args args{operands.data(), stride,        rows, &matrix,
                                  nullptr,         result.data(), out};
  const double seconds = best_time([&] { kernels::linear(args, pool); });
  const double flops = 2.0 * rows * in * out;
  report(
      "linear " + std::to_string(rows) + " x " + std::to_string(in) + " x " + std::to_string(out),
      seconds, flops, static_cast<double>(matrix.size_in_bytes()));
}

// One KV head of a sequence: 7 query heads a row.
void bench_attention(dtype type, std::uint32_t rows, std::uint32_t num_keys) {
  constexpr std::uint32_t dim = 64;
  constexpr std::uint32_t group = 7;
  const std::uint32_t num_pages = num_keys / page_size_tokens;
  const kv_pages pages({1, num_pages, 1, dim, type});
  std::vector<page_idx> table(num_pages);
  for (std::uint32_t p = 0; p < num_pages; ++p) table[p] = num_pages - 1 - p;
  const auto queries = random_floats(std::size_t{rows} * group * dim);
  const auto scratch = std::make_unique<kernels::attention_scratch>();
  for (std::uint32_t q = 0; q < rows * group; ++q) {
    scratch->queries[q] = reinterpret_cast<const std::uint32_t*>(&queries[std::size_t{q} * dim]);
    scratch->positions[q] = num_keys - rows + q / group;
  }
  const double seconds = best_time([&] {
    kernels::attention({rows * group, dim, 0.125F, type, pages.keys(0, 0), pages.values(0, 0),
                        pages.shape().page_words(), table.data()},
                       *scratch);
  });
  const double keys = static_cast<double>(num_keys) * dim;
  report("attention " + std::to_string(rows) + " rows, " + std::to_string(num_keys) + " keys",
         seconds, 4.0 * keys * rows * group, 2 * keys * static_cast<double>(size_bytes(type)));
}

void bench_rows(dtype type) {
  auto x = random_floats(4864);
  const auto y = random_floats(4864);
  std::vector<std::uint32_t> out(4864);
  report("add_rms_norm 896", best_time([&] {
           kernels::add_rms_norm({y.data(), x.data(), y.data(), 896, 1e-6F}, type, out.data());
         }),
         4.0 * 896, 16.0 * 896);
  report("silu_mul 4864",
         best_time([&] { kernels::silu_mul(x.data(), y.data(), 4864, type, out.data()); }),
         4.0 * 4864, 12.0 * 4864);
}

void bench_sampling() {
  auto logits = random_floats(151'936);
  for (float& x : logits) x *= 8;
  choice_scratch scratch;
  for (const choice_params& params :
       {choice_params{0.0F, 1.0F, 0, 0.0F}, choice_params{1.0F, 1.0F, 0, 0.0F},
        choice_params{0.7F, 0.8F, 20, 0.0F}}) {
    std::uint64_t draw = 0;
    const double seconds = best_time([&] {
      draw += 0x9E3779B97F4A7C15ULL;
      choose_token(logits, params, draw, scratch);
    });
    report("sample T " + std::to_string(params.temperature).substr(0, 3) + " top_k " +
               std::to_string(params.top_k),
           seconds, 0, 4.0 * static_cast<double>(logits.size()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const dtype type =
      argc > 1 && std::string(argv[1]) == "float32" ? dtype::float32 : dtype::bfloat16;
  const auto num_threads = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  thread_pool pool({num_threads, 0});
  std::printf("%s, %u threads\n", std::string(to_string(type)).c_str(), pool.num_threads());
  bench_memory(pool);
  for (std::uint32_t rows : {1U, 2U, 4U, 8U, 64U, 512U}) {
    bench_linear(pool, type, rows, 896, 1152);
    bench_linear(pool, type, rows, 896, 9728);
    bench_linear(pool, type, rows, 4864, 896);
  }
  bench_linear(pool, type, 1, 896, 151'936);
  bench_attention(type, 1, 512);
  bench_attention(type, 1, 8192);
  bench_attention(type, 9, 512);
  bench_attention(type, 9, 8192);
  bench_rows(type);
  bench_sampling();
  return 0;
}
