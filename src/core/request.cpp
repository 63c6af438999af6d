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

}  // namespace troupe
