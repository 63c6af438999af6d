// Every CPU operation at the shape of Qwen2.5-0.5B beside the limits of the machine, in turns:
// time, GFLOP/s and GB/s of the bytes that must be read at least once, each with its part of the
// limit. "cold" weights come from memory (a quarter of a gigabyte each), the others from the
// caches. Arguments: weights (float32, bfloat16, int8 or int4), threads, [rounds].
#include "cpu/kernels.hpp"
#include "cpu/kv_pages.hpp"
#include "limits.hpp"
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

struct operation {
  std::string name;
  double flops = 0;
  double bytes = 0;
  std::function<void()> work;
  double best_seconds = 1e9;
};

class suite {
 public:
  void add(operation op) { operations_.push_back(std::move(op)); }

  void run(int rounds) {
    using clock = std::chrono::steady_clock;
    for (int round = 0; round < rounds; ++round) {
      for (operation& op : operations_) {
        const auto end = clock::now() + std::chrono::milliseconds(20);
        do {
          const auto start = clock::now();
          op.work();
          const std::chrono::duration<double> passed = clock::now() - start;
          op.best_seconds = std::min(op.best_seconds, passed.count());
        } while (clock::now() < end);
      }
    }
  }

  // The first operation is the limit of arithmetic, the second that of memory.
  void print() const {
    const double peak = operations_[0].flops / operations_[0].best_seconds;
    const double read = operations_[1].bytes / operations_[1].best_seconds;
    std::printf("%-36s %12s %9s %5s %8s %5s\n", "operation", "us", "GFLOP/s", "%", "GB/s", "%");
    for (const operation& op : operations_) {
      const double flops = op.flops / op.best_seconds;
      const double bytes = op.bytes / op.best_seconds;
      std::printf("%-36s %12.1f %9.1f %5.0f %8.1f %5.0f\n", op.name.c_str(), op.best_seconds * 1e6,
                  flops * 1e-9, 100 * flops / peak, bytes * 1e-9, 100 * bytes / read);
    }
  }

 private:
  std::vector<operation> operations_;
};

std::vector<float> random_floats(std::size_t count) {
  std::mt19937 random(1);
  std::vector<float> out(count);
  for (float& x : out) x = static_cast<float>(random() % 2001) * 1e-3F - 1.0F;
  return out;
}

double multiply_once(weight_type type) {
  switch (type) {
    case weight_type::float32: return bench::multiply_floats();
    case weight_type::bfloat16: return bench::multiply_pairs();
    case weight_type::int8:
    case weight_type::int4: break;
  }
  return bench::multiply_bytes();
}

void add_limits(suite& all, weight_type type, thread_pool& pool) {
  const auto multiply = [&pool, type] {
    pool.parallel_for(pool.num_threads(),
                      [&](std::uint32_t, std::uint32_t) { multiply_once(type); });
  };
  const double each = multiply_once(type);
  all.add({"limit: multiply-adds", each * pool.num_threads(), 0, multiply});
  const auto walk = std::make_shared<bench::memory_walk>(std::size_t{8} << 20U);
  all.add({"limit: read 8 MiB", 0, static_cast<double>(walk->bytes_a_step()),
           [walk, &pool] { walk->step(pool); }});
}

std::shared_ptr<const packed_matrix> make_matrix(thread_pool& pool, weight_type type,
                                                 std::uint32_t in, std::uint32_t out) {
  const auto weights = random_floats(std::size_t{in} * out);
  const linear_slice slice(
      {{out, 0, host_tensor{dtype::float32, {out, in}, std::as_bytes(std::span(weights))}, {}}},
      {{in, 0}});
  return std::make_shared<const packed_matrix>(slice, type, pool);
}

std::size_t row_stride(std::uint32_t in, weight_type type) {
  if (is_integer(type)) return kernels::quantized_stride(in);
  return kernels::operand_stride(in,
                                 type == weight_type::float32 ? dtype::float32 : dtype::bfloat16);
}

void make_row(const float* x, std::uint32_t in, weight_type type, std::uint32_t* out) {
  switch (type) {
    case weight_type::float32: kernels::make_operand(x, in, dtype::float32, out); break;
    case weight_type::bfloat16: kernels::make_operand(x, in, dtype::bfloat16, out); break;
    case weight_type::int8:
    case weight_type::int4: kernels::quantize_operand(x, in, out); break;
  }
}

// Layers that come in turns.
struct layer_set {
  std::vector<std::shared_ptr<const packed_matrix>> layers;
  std::vector<std::uint32_t> operands;
  std::vector<float> result;
  std::size_t turn = 0;
};

void add_linear(suite& all, thread_pool& pool, std::uint32_t rows,
                const std::vector<std::shared_ptr<const packed_matrix>>& layers,
                std::size_t out_stride) {
  const packed_matrix& first = *layers[0];
  const std::uint32_t in = first.in_features();
  const std::size_t stride = row_stride(in, first.type());
  const auto set = std::make_shared<layer_set>();
  set->layers = layers;
  set->operands.resize(rows * stride);
  set->result.resize(rows * out_stride);
  const auto x = random_floats(std::size_t{rows} * in);
  for (std::uint32_t r = 0; r < rows; ++r) {
    make_row(&x[std::size_t{r} * in], in, first.type(), &set->operands[r * stride]);
  }
  const std::string shape = std::to_string(rows) + " x " + std::to_string(in) + " x " +
                            std::to_string(first.out_features());
  all.add({"linear " + shape, 2.0 * rows * in * first.out_features(),
           static_cast<double>(first.size_in_bytes()), [=, &pool] {
             set->turn = (set->turn + 1) % set->layers.size();
             kernels::linear({set->operands.data(), stride, rows, set->layers[set->turn].get(),
                              nullptr, set->result.data(), out_stride},
                             pool);
           }});
}

// `out` features of a layer that has `all_out`.
void add_layer(suite& all, thread_pool& pool, weight_type type, std::uint32_t in, std::uint32_t out,
               std::uint32_t all_out, std::initializer_list<std::uint32_t> row_counts) {
  const auto first = make_matrix(pool, type, in, out);
  std::vector<std::shared_ptr<const packed_matrix>> layers{first};
  while (layers.size() * first->size_in_bytes() < bench::total_bytes) {
    layers.push_back(make_matrix(pool, type, in, out));
  }
  for (const std::uint32_t rows : row_counts) add_linear(all, pool, rows, layers, all_out);
}

void add_linears(suite& all, thread_pool& pool, weight_type type) {
  const auto few = {1U, 2U, 4U, 8U, 12U, 16U, 32U};
  add_layer(all, pool, type, 896, 1152, 1152, few);
  add_layer(all, pool, type, 896, 9728, 9728, few);
  add_layer(all, pool, type, 4864, 896, 896, few);
  add_layer(all, pool, type, 896, 4736, 151'936, {1, 16});
  add_layer(all, pool, type, 896, 512, 9728, {64, 512});
  add_layer(all, pool, type, 4864, 128, 896, {64, 512});
}

// The LM head of a model that is little else, as any other layer and as the device computes it:
// with the maxima of its tiles and past the caches.
struct head_set : layer_set {
  aligned_buffer<float> logits;
  aligned_buffer<float> maxima;
};

void add_head(suite& all, thread_pool& pool, weight_type type, std::uint32_t rows,
              const std::vector<std::shared_ptr<const packed_matrix>>& heads) {
  const packed_matrix& first = *heads[0];
  const std::uint32_t in = first.in_features();
  const std::uint32_t out = first.out_features();
  const std::size_t stride = row_stride(in, type);
  const auto set = std::make_shared<head_set>();
  set->layers = heads;
  set->operands.resize(rows * stride);
  const auto x = random_floats(std::size_t{rows} * in);
  for (std::uint32_t r = 0; r < rows; ++r) {
    make_row(&x[std::size_t{r} * in], in, type, &set->operands[r * stride]);
  }
  set->logits = aligned_buffer<float>(std::size_t{rows} * out);
  set->maxima = aligned_buffer<float>(rows * kernels::maxima_stride(out));
  const double flops = 2.0 * rows * in * out;
  for (const bool is_layer : {true, false}) {
    all.add({(is_layer ? "LM head, as a layer, " : "LM head, ") + std::to_string(rows) + " rows",
             flops, static_cast<double>(first.size_in_bytes()), [=, &pool] {
               set->turn = (set->turn + 1) % set->layers.size();
               kernels::linear_args args{
                   set->operands.data(), stride, rows, set->layers[set->turn].get(), nullptr,
                   set->logits.data(),   out};
               if (!is_layer) {
                 args.maxima = {set->maxima.data(), out};
                 args.is_streamed = true;
               }
               kernels::linear(args, pool);
             }});
  }
}

void add_heads(suite& all, thread_pool& pool, weight_type type) {
  std::vector<std::shared_ptr<const packed_matrix>> heads;
  for (int i = 0; i < 3; ++i) heads.push_back(make_matrix(pool, type, 128, 151'936));
  for (const std::uint32_t rows : {1U, 4U, 16U}) add_head(all, pool, type, rows, heads);
}

// Layers that come in turns, so that their keys and values come from memory.
struct attention_set {
  explicit attention_set(const kv_shape& shape) : pages(shape), table(shape.num_pages) {
    for (std::uint32_t p = 0; p < shape.num_pages; ++p) table[p] = shape.num_pages - 1 - p;
  }

  kv_pages pages;
  std::vector<page_idx> table;
  std::vector<std::uint32_t> operands;
  kernels::attention_scratch scratch;
  std::uint32_t turn = 0;
};

// Neighbouring rows of one KV head of a sequence on one thread: 7 query heads a row.
void add_attention(suite& all, kv_type type, std::uint32_t rows, std::uint32_t num_keys,
                   bool cold) {
  constexpr std::uint32_t dim = 64;
  constexpr std::uint32_t group = 7;
  kv_shape shape{1, num_keys / page_size_tokens, 1, dim, type};
  const auto bytes = static_cast<double>(shape.page_bytes()) * shape.num_pages;
  if (cold) shape.num_layers = static_cast<std::uint32_t>(bench::total_bytes / bytes) + 1;
  const auto set = std::make_shared<attention_set>(shape);
  set->operands.resize(std::size_t{rows} * group * dim, 0x3C003C00U);
  for (std::uint32_t q = 0; q < rows * group; ++q) {
    set->scratch.queries[q] = &set->operands[std::size_t{q} * dim];
    set->scratch.positions[q] = num_keys - rows + q / group;
  }
  const std::string name = "attention " + std::to_string(rows) + " rows, " +
                           std::to_string(num_keys) + (type == kv_type::int8 ? " int8" : "") +
                           (cold ? " cold keys" : " keys");
  all.add({name, 4.0 * num_keys * dim * rows * group, bytes, [=] {
             set->turn = (set->turn + 1) % shape.num_layers;
             kernels::attention(
                 {rows * group, dim, 0.125F, type, set->pages.keys(set->turn, 0),
                  set->pages.values(set->turn, 0), shape.key_stride(), shape.value_stride(),
                  shape.key_words(), shape.value_words(), set->table.data()},
                 set->scratch);
           }});
}

struct row_buffers {
  std::vector<float> x = random_floats(2 * 4864);
  std::vector<std::uint32_t> out = std::vector<std::uint32_t>(4864);
};

void add_rows(suite& all, dtype type) {
  const auto buffers = std::make_shared<row_buffers>();
  all.add({"add_rms_norm 896", 4.0 * 896, 16.0 * 896, [=] {
             float* x = buffers->x.data();
             kernels::add_rms_norm({x + 4864, x, x + 4864, 896, 1e-6F}, type, buffers->out.data());
           }});
  all.add({"silu_mul 4864", 4.0 * 4864, 12.0 * 4864, [=] {
             const float* x = buffers->x.data();
             kernels::silu_mul(x, x + 4864, 4864, type, buffers->out.data());
           }});
}

struct sampling_buffers {
  std::vector<float> logits = random_floats(151'936);
  choice_scratch scratch;
  std::uint64_t draw = 0;
};

void add_sampling(suite& all) {
  for (const choice_params& params :
       {choice_params{0.0F, 1.0F, 0, 0.0F}, choice_params{1.0F, 1.0F, 0, 0.0F},
        choice_params{0.7F, 0.8F, 20, 0.0F}}) {
    const auto buffers = std::make_shared<sampling_buffers>();
    for (float& x : buffers->logits) x *= 8;
    const logit_row row = with_maxima(buffers->logits, buffers->scratch.row_maxima);
    all.add({"sample T " + std::to_string(params.temperature).substr(0, 3) + " top_k " +
                 std::to_string(params.top_k),
             0, 4.0 * static_cast<double>(buffers->logits.size()), [=] {
               buffers->draw += 0x9E3779B97F4A7C15ULL;
               choose_token(row, params, buffers->draw, buffers->scratch);
             }});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "bfloat16";
  const weight_type weights = name == "int4"      ? weight_type::int4
                              : name == "int8"    ? weight_type::int8
                              : name == "float32" ? weight_type::float32
                                                  : weight_type::bfloat16;
  const dtype type = weights == weight_type::float32 ? dtype::float32 : dtype::bfloat16;
  const auto num_threads = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  thread_pool pool({num_threads, 0});
  suite all;
  add_limits(all, weights, pool);
  add_linears(all, pool, weights);
  add_heads(all, pool, weights);
  for (const std::uint32_t rows : {1U, 9U}) {
    for (const std::uint32_t keys : {512U, 8192U}) {
      add_attention(all, kv_type_of(type), rows, keys, false);
      add_attention(all, kv_type::int8, rows, keys, false);
    }
  }
  add_attention(all, kv_type_of(type), 1, 8192, true);
  add_attention(all, kv_type::int8, 1, 8192, true);
  add_rows(all, type);
  add_sampling(all);
  all.run(argc > 3 ? std::atoi(argv[3]) : 5);
  std::printf("%s, %u threads (attention, rows and sampling: 1)\n", name.c_str(),
              pool.num_threads());
  all.print();
  return 0;
}
