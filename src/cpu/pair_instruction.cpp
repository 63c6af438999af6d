#include "cpu/pair_instruction.hpp"

#include <atomic>

#include <hwy/targets.h>

namespace troupe::kernels {
namespace {

bool machine_has_it() {
#if TROUPE_PAIR_INSTRUCTION
  return __builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_supports("avx512vnni") != 0 &&
         (hwy::SupportedTargets() & HWY_AVX3) != 0;
#else
  return false;
#endif
}

// Asked once: the question traps in a virtual machine and then takes longer than a kernel.
std::atomic<bool> is_allowed{machine_has_it()};

}  // namespace

bool uses_pair_instruction() { return is_allowed.load(std::memory_order_relaxed); }

void allow_pair_instruction(bool allowed) {
  is_allowed.store(allowed && machine_has_it(), std::memory_order_relaxed);
}

}  // namespace troupe::kernels
