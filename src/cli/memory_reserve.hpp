// Memory that is kept for the moment when the system gives no more: the allocation that fails
// first is told so, and what follows, an error to its client above all, finds some.
#pragma once
#include <cstddef>

namespace troupe {

inline constexpr std::size_t reserve_bytes = 16U << 20;

// Takes the reserve and makes `new` give it back when nothing else is left. Of the process, as
// std::new_handler is; to be called once, before there are other threads.
void keep_memory_reserve();

// Takes it again where it was spent. False: the system still gives none.
bool renew_memory_reserve() noexcept;

}  // namespace troupe
