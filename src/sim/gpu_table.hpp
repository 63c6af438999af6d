// The GPUs and links that can be simulated, with the rates that code reaches on them: an ideal
// device would do somewhat more, a careless program much less.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe {

struct gpu_model {
  std::string_view name;           // as --sim-gpu takes it
  std::uint64_t memory_bytes = 0;  // as its driver reports it
  double bytes_per_second = 0;     // reading memory
  double gemm_flops = 0;           // per second: bfloat16, float32 sums
  double attention_flops = 0;      // per second: causal prefill
  std::string_view link;           // what connects several of them, unless told otherwise
};

struct gpu_link {
  std::string_view name;        // as --sim-link takes it
  double latency_seconds = 0;   // of one all-reduce of a few kilobytes
  double bytes_per_second = 0;  // of one GPU, in one direction
};

std::vector<std::string_view> gpu_names();
std::vector<std::string_view> link_names();
// Null where there is none of that name.
const gpu_model* find_gpu(std::string_view name);
const gpu_link* find_link(std::string_view name);

}  // namespace troupe
