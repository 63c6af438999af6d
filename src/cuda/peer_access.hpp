// Whether GPUs read and write each other's memory.
#pragma once
#include <cstdint>

namespace troupe::cuda {

// Whether each of the first `count` GPUs reaches the memory of every other. If so, from here on
// each does, for all of this process. Throws device_error where that fails.
bool open_peer_access(std::uint32_t count);

}  // namespace troupe::cuda
