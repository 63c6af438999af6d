// What is fuzzed: every parser of what clients send. Each target takes any bytes; it fails by
// aborting, or by what a sanitizer finds.
#pragma once
#include <span>
#include <string_view>

namespace troupe::test {

struct fuzz_target {
  std::string_view name;
  void (*run)(std::string_view input);
};

std::span<const fuzz_target> all_fuzz_targets();

}  // namespace troupe::test
