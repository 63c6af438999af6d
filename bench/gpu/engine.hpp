// The engine alone on a GPU, measured: no actor, no socket, no tokenizer. One line per row on
// stdout, fields apart by tabs; bench/gpu/run makes tables of them.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cuda/cuda_runner.hpp"
#include "cuda/kernels.hpp"
#include "cuda/owners.hpp"
#include "model/model_config.hpp"

namespace troupe::cuda {

launch_error read_memory(const void* from, std::uint64_t num_bytes, std::uint32_t* sink,
                         cuda_stream stream);

}  // namespace troupe::cuda

namespace troupe::bench {

// "7b", "0.5b": the shapes of Qwen2.5; "tiny", "tiny128": two layers, by the size of a head. Throws
// std::invalid_argument for another name.
model_config shape_named(std::string_view name);

// Median microseconds of one call of `work`, which enqueues on the stream.
double time_on(cudaStream_t stream, const std::function<void(int)>& work);

void print_row(const std::vector<std::string>& fields);
std::string number(double value, int digits = 1);

struct engine_options {
  std::string mode;
  std::string shape = "7b";
  std::string out_file;       // of `logits`
  std::uint32_t tp_size = 1;  // all ranks on one GPU
  bool deterministic = false;
  bool has_byte_pages = false;    // keys and values in e4m3
  bool has_byte_weights = false;  // weights in int8
  bool has_wgmma_prefill = false;
};

void measure_ceilings(const engine_options& options);
void measure_kernels(const engine_options& options);
void measure_steps(const engine_options& options);
// By name, what this GPU has for chunks of more than one row.
std::vector<std::pair<std::string, cuda::prefill_launch>> prefill_kernels();
// Each of them alone. Throws std::runtime_error as the next does.
void check_attention();
// Throws std::runtime_error if the device is too far from double precision.
void check_against_float64(const engine_options& options);
// Whether a row's logits are the same bits alone and among others.
void check_invariance(const engine_options& options);
// Logits of a fixed prompt by dummy weights, for another implementation to compare.
void write_logits(const engine_options& options);

}  // namespace troupe::bench
