#include <string>

#include "cuda/cuda_error.hpp"
#include "cuda/cuda_runner.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t least_capability = 80;  // bfloat16 on tensor cores

failure refuse(std::string why) { return {error_code::unsupported, std::move(why), "device"}; }

gpu_info describe(int index) {
  cudaDeviceProp properties{};
  cuda::check_cuda(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  cuda::use_gpu(index);
  std::size_t free = 0;
  std::size_t total = 0;
  cuda::check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return {properties.name, static_cast<std::uint32_t>(10 * properties.major + properties.minor),
          total, free};
}

}  // namespace

outcome<std::vector<gpu_info>> list_gpus(std::uint32_t at_most) {
  // Without a driver the count is not written.
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return refuse(std::string("No GPU can be used: ") + cudaGetErrorString(status) + ".");
  }
  if (count == 0) return refuse("No GPU can be used: there is none.");
  std::vector<gpu_info> out;
  try {
    for (int index = 0; index < count && out.size() < at_most; ++index) {
      out.push_back(describe(index));
    }
  } catch (const device_error& error) {
    return refuse(std::string("No GPU can be used: ") + error.what());
  }
  for (const gpu_info& gpu : out) {
    if (gpu.compute_capability >= least_capability) continue;
    return refuse("The GPU " + gpu.name + " has compute capability " +
                  std::to_string(gpu.compute_capability / 10) + "." +
                  std::to_string(gpu.compute_capability % 10) + "; 8.0 or later is needed.");
  }
  return out;
}

}  // namespace troupe
