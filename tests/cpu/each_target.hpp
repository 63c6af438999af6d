// Kernels on every target of this machine. For tests only.
#pragma once
#include <functional>

namespace troupe::testing {

// Calls `work` with each as the chosen one, AVX-512 with and without the instruction for pairs.
void on_each_target(const std::function<void()>& work);

}  // namespace troupe::testing
