// What --device auto and cuda ask for becomes a device, memory and runners.
#pragma once
#include <string>

#include "engine/load_model.hpp"

namespace troupe {

struct settled_device {
  device_kind kind = device_kind::cpu;  // never automatic
  std::string note;  // why the CPU computes where `auto` was asked for; else empty
};
// Looks for GPUs where the flags leave or ask for one. Refuses `cuda` without a GPU that can be
// used, and what GPUs do not do: float32, int4 weights, int8 keys and values.
outcome<settled_device> settle_device(const engine_options& wanted);

// "cuda: 2 x NVIDIA H200"
std::string describe_cuda(const engine_options& options);

cuda_runner_options make_cuda_options(const engine_options& options, const planned_model& plan);
// One of the GPUs, each of which holds its rank's share; total_bytes is what is free on the
// fullest.
outcome<memory_request> measure_cuda(const engine_options& options, const planned_model& plan);

outcome<runner_factory> make_cuda_runners(const planned_model& plan, const engine_options& options,
                                          const model_weights& weights, load_progress on_progress,
                                          device_warning on_warning);
outcome<rank_factory> make_cuda_ranks(const planned_model& plan, const engine_options& options,
                                      const model_weights& weights, load_progress on_progress,
                                      device_warning on_warning);

}  // namespace troupe
