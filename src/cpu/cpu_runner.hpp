// Runners on the CPU: weights packed once, then as many times a set of ranks as the replica needs.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/outcome.hpp"
#include "cpu/kv_type.hpp"
#include "cpu/packed_matrix.hpp"
#include "cpu/thread_pool.hpp"
#include "model/model_config.hpp"
#include "model/model_runner.hpp"
#include "model/runner_options.hpp"
#include "model/weights.hpp"

namespace troupe {

struct cpu_runner_options : runner_options {
  dtype type = dtype::bfloat16;  // of weights: float32 or bfloat16
  std::optional<kv_type> kv;     // none: as `type`
  // Other than plain: what linear layers read is quantised to int8, too. A checkpoint of integers
  // must have that many bits, or be taken as plain.
  weight_format weights = weight_format::plain;
  thread_pool_options threads;  // of each rank
};

kv_type kv_type_of(const cpu_runner_options& options);

// What the ranks of this process hold together, in bytes, before anything is allocated. Lists and
// scratch of some megabytes per thread are not in it.
struct cpu_memory {
  std::uint64_t weight_bytes = 0;
  std::uint64_t kv_page_bytes = 0;     // one page, all layers, these ranks
  std::uint64_t activation_bytes = 0;  // of the largest step
  std::uint64_t rope_bytes = 0;        // tables of max_model_len positions
};
outcome<cpu_memory> measure_cpu_memory(const model_config& config,
                                       const cpu_runner_options& options);

class cpu_model;

// Packs the weights; the checkpoint is not needed afterwards. Refuses shapes that do not divide by
// tp_size, head_dim above 256 or no multiple of 16, and options that are zero or out of range.
outcome<std::shared_ptr<const cpu_model>> load_cpu_model(const model_config& config,
                                                         const model_weights& weights,
                                                         const cpu_runner_options& options);
// One runner per rank of this process; KV pages and activations are allocated here. `ranks` join
// them with those of other processes; without any all ranks are here. Throws std::bad_alloc.
std::vector<std::unique_ptr<model_runner>> make_model_runners(
    const std::shared_ptr<const cpu_model>& model,
    std::vector<std::unique_ptr<host_communicator>> ranks = {});

// load_cpu_model, then make_model_runners at every call.
outcome<runner_factory> make_cpu_runner_factory(const model_config& config,
                                                const model_weights& weights,
                                                const cpu_runner_options& options);

// How ranks of several processes whose memory is the host's find each other: a communicator for
// each rank of this one. Throws device_error.
using host_meeting =
    std::function<std::vector<std::unique_ptr<host_communicator>>(const rank_meeting&)>;
// The same for ranks that meet others.
outcome<rank_factory> make_cpu_rank_factory(const model_config& config,
                                            const model_weights& weights,
                                            const cpu_runner_options& options, host_meeting meet);

}  // namespace troupe
