// How often this process asked for memory: linking allocations.cpp replaces operator new.
#pragma once
#include <cstdint>

namespace troupe::testing {

// By all threads, since the start.
std::uint64_t num_allocations();

}  // namespace troupe::testing
