// What a build without CUDA says.
#include "cuda/cuda_runner.hpp"

namespace troupe {
namespace {

failure refuse() {
  return {error_code::unsupported, "This program was built without CUDA.", "device"};
}

}  // namespace

outcome<std::vector<gpu_info>> list_gpus(std::uint32_t) { return refuse(); }

outcome<gpu_group_id> make_gpu_group_id() { return refuse(); }

outcome<cuda_memory> measure_cuda_memory(const model_config&, const cuda_runner_options&) {
  return refuse();
}

outcome<runner_factory> make_cuda_runner_factory(const model_config&, const model_weights&,
                                                 const cuda_runner_options&) {
  return refuse();
}

outcome<rank_factory> make_cuda_rank_factory(const model_config&, const model_weights&,
                                             const cuda_runner_options&) {
  return refuse();
}

}  // namespace troupe
