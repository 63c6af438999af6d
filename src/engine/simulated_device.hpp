// The flags of --device null and sim become memory, time and runners. No weights are read.
#pragma once
#include <cstdint>
#include <string>

#include "engine/load_model.hpp"
#include "sim/step_time.hpp"

namespace troupe {

// What the device of any kind is, in a few words: "cpu", "null", "sim: 4 x rtx4090d over pcie".
std::string describe_device(const engine_options& options);

// total_bytes is all memory that there is; the caller plans with a share of it.
memory_request measure_null_device(std::uint64_t available_bytes);
// One of the GPUs, each of which holds its rank's share.
outcome<memory_request> measure_gpu(const engine_options& options, const planned_model& plan);

// What the time of a step follows from.
struct gpu_clockwork {
  gpu_model gpu;
  gpu_link link;
  model_cost cost;  // of one rank
  step_parts time(const step_load& load) const { return time_step(gpu, link, cost, load); }
};
outcome<gpu_clockwork> find_clockwork(const engine_options& options, const planned_model& plan);

outcome<runner_factory> make_simulated_runners(const planned_model& plan,
                                               const engine_options& options);

}  // namespace troupe
