// libFuzzer's entry: TROUPE_FUZZ_TARGET names one of targets.cpp. See tests/fuzz/run.py.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "targets.hpp"

namespace {

const troupe::test::fuzz_target* chosen() {
  const char* name = std::getenv("TROUPE_FUZZ_TARGET");
  for (const auto& target : troupe::test::all_fuzz_targets())
    if (name != nullptr && target.name == name) return &target;
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto* target = chosen();
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
