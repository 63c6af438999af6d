#include "sim/gpu_table.hpp"

#include <algorithm>
#include <array>

namespace troupe {
namespace {

constexpr std::uint64_t mib = 1U << 20;

// H200: 4.3 TB/s and 790 TFLOP/s were measured, 90 % and 80 % of what is printed on the box. H100
// has the same arithmetic, and like A100 the same shares of its own numbers. The consumer cards:
// hand-written code reads at 93 % of 1008 GB/s, which step_time's kernel_share accounts for, and
// their GEMMs reach about 85 % of 165 and 147 TFLOP/s. Attention runs at 70 % of the GEMMs' rate,
// as published for FlashAttention 3 and cuDNN.
constexpr std::array gpus{
    gpu_model{"rtx4090", 24564 * mib, 1.008e12, 140e12, 98e12, "pcie"},
    gpu_model{"rtx4090d", 24564 * mib, 1.008e12, 125e12, 88e12, "pcie"},
    gpu_model{"a100", 81920 * mib, 1.83e12, 250e12, 175e12, "nvlink3"},
    gpu_model{"h100", 81559 * mib, 3.0e12, 790e12, 550e12, "nvlink4"},
    gpu_model{"h200", 143771 * mib, 4.3e12, 790e12, 550e12, "nvlink4"},
};

// pcie: NCCL through the host's memory, which is what cards without peer access are left with.
// pcie-p2p and nvlink: kernels that write to their peers, then NCCL's rate for large messages.
constexpr std::array links{
    gpu_link{"pcie", 35e-6, 10e9},
    gpu_link{"pcie-p2p", 8e-6, 20e9},
    gpu_link{"nvlink3", 8e-6, 240e9},
    gpu_link{"nvlink4", 8e-6, 360e9},
};

template <class Entry>
std::vector<std::string_view> names_of(const Entry& table) {
  std::vector<std::string_view> out;
  for (const auto& entry : table) out.push_back(entry.name);
  return out;
}

}  // namespace

std::vector<std::string_view> gpu_names() { return names_of(gpus); }
std::vector<std::string_view> link_names() { return names_of(links); }

const gpu_model* find_gpu(std::string_view name) {
  const auto* found = std::ranges::find(gpus, name, &gpu_model::name);
  return found == gpus.end() ? nullptr : found;
}

const gpu_link* find_link(std::string_view name) {
  const auto* found = std::ranges::find(links, name, &gpu_link::name);
  return found == links.end() ? nullptr : found;
}

}  // namespace troupe
