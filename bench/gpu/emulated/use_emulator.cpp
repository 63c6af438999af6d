// Kernels of this program go through the fake runtime's streams.
#include "fake_cuda.hpp"

namespace {

const bool is_emulated = [] {
  troupe::fake_cuda::use_emulator();
  return true;
}();

}  // namespace
