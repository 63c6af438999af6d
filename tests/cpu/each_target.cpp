#include "each_target.hpp"

#include "cpu/pair_instruction.hpp"

#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <utility>

namespace troupe::testing {

void on_each_target(const std::function<void()>& work) {
  const std::int64_t plain = HWY_STATIC_TARGET;
  const std::int64_t avx512 = HWY_AVX3;
  for (const auto& [target, pairs] :
       {std::pair(avx512, true), std::pair(avx512, false), std::pair(std::int64_t{HWY_AVX2}, false),
        std::pair(plain, false)}) {
    hwy::SetSupportedTargetsForTest(0);
    if ((hwy::SupportedTargets() & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    kernels::allow_pair_instruction(pairs);
    CAPTURE(hwy::TargetName(target));
    CAPTURE(pairs);
    work();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  kernels::allow_pair_instruction(true);
}

}  // namespace troupe::testing
