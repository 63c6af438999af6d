#include "core/request.hpp"

namespace troupe {

std::string_view to_string(finish_reason why) {
  switch (why) {
    case finish_reason::stop: return "stop";
    case finish_reason::length: return "length";
    case finish_reason::cancelled: return "cancelled";
    case finish_reason::failed: return "failed";
    case finish_reason::timed_out: return "timed_out";
  }
  return "unknown";
}

// One splitmix64 step of the sum. 53 bits, so that a client whose numbers are doubles can repeat
// it.
std::uint64_t draw_seed(std::uint64_t engine_seed, request_id number) {
  auto z = engine_seed + number.value * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return (z ^ (z >> 31)) >> 11;
}

}  // namespace troupe
