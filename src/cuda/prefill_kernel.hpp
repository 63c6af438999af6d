// Which kernel attends for chunks of more than one row over pages of bfloat16.
#pragma once
#include <cstdint>

namespace troupe::cuda {

// mma: on every GPU; wgmma: on those of compute capability 9.0 alone. Pages of bytes have mma.
enum class prefill_kernel : std::uint8_t { mma, wgmma };
inline constexpr std::uint32_t wgmma_capability = 90;

}  // namespace troupe::cuda
