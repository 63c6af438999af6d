// Runners on GPUs: one rank, one device, one stream. Weights are uploaded once; a set of ranks is
// made from them as often as the replica needs. No CUDA type stands here; a program that was built
// without CUDA has the same functions, which refuse.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/outcome.hpp"
#include "cuda/kv_format.hpp"
#include "cuda/prefill_kernel.hpp"
#include "model/model_config.hpp"
#include "model/model_runner.hpp"
#include "model/runner_options.hpp"
#include "model/weights.hpp"

namespace troupe {

struct gpu_info {
  std::string name;
  std::uint32_t compute_capability = 0;  // 10 * major + minor
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
};
// The first GPUs of this machine by index, at most so many: to look at one takes some of its
// memory. Refuses, with the reason in one sentence, where there is none that can be used: no CUDA
// in this build, no driver, no device.
outcome<std::vector<gpu_info>> list_gpus(std::uint32_t at_most);

// The first rank of this process is on its first GPU, the next one on the next.
struct cuda_runner_options : runner_options {
  // Which of the tp_size ranks are this process's; 0: all of them.
  std::uint32_t first_rank = 0;
  std::uint32_t num_local_ranks = 0;
  // How long ranks wait for each other before the first step.
  std::uint32_t meeting_ms = 120'000;
  // All ranks on GPU 0, for tests and trials. They take turns there.
  bool ranks_share_gpu = false;
  std::uint32_t max_logprobs = 20;
  cuda::kv_format kv = cuda::kv_format::bf16;
  cuda::prefill_kernel prefill = cuda::prefill_kernel::mma;
  // Layers, embedding and LM head rounded to int8 by groups of 128 while they are uploaded.
  bool has_byte_weights = false;
  // A row's bits do not depend on the rows beside it.
  bool deterministic = false;
  // Sums of ranks that are all here by kernels that read the peers' memory, where GPUs reach it.
  bool peer_sums = false;
  bool use_graphs = true;
  // Measures how each multiplication is done quickest while the model is loaded.
  bool measure_gemms = true;
  std::uint32_t load_threads = 4;
  std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)> on_progress;
  // What goes on with less than it should have, in a sentence; from any rank's thread.
  std::function<void(const std::string&)> on_warning;
};

// What one GPU holds, in bytes.
struct cuda_memory {
  std::uint64_t weight_bytes = 0;
  std::uint64_t kv_page_bytes = 0;     // one page, all layers
  std::uint64_t activation_bytes = 0;  // of the largest step
  std::uint64_t other_bytes = 0;       // workspaces, tables, slots
};
outcome<cuda_memory> measure_cuda_memory(const model_config& config,
                                         const cuda_runner_options& options);

class cuda_model;

// Uploads the weights; the checkpoint is not needed afterwards. Refuses shapes that the kernels
// cannot do, too few GPUs, and whatever the devices say.
outcome<std::shared_ptr<const cuda_model>> load_cuda_model(const model_config& config,
                                                           const model_weights& weights,
                                                           const cuda_runner_options& options);
// What ranks of several processes must know to meet: made by one of them and carried to the others,
// for one set of runners.
using gpu_group_id = std::array<char, 128>;
// Refuses where there is no NCCL.
outcome<gpu_group_id> make_gpu_group_id();

// One runner per rank of this process, joined by one communicator. Waits until the runners made
// before are gone, whose memory these need. Throws device_error.
//
// With a group: joins it, waits there for the ranks of the other processes. A rank elsewhere that
// fails later is no message here: whoever looks after the ranks aborts each process's own. Without
// one all ranks are here.
std::vector<std::unique_ptr<model_runner>> make_model_runners(
    const std::shared_ptr<const cuda_model>& model, const gpu_group_id* group = nullptr);

// load_cuda_model, then make_model_runners at every call.
outcome<runner_factory> make_cuda_runner_factory(const model_config& config,
                                                 const model_weights& weights,
                                                 const cuda_runner_options& options);

}  // namespace troupe
