// Who may come how often: the leaky bucket of nginx's limit_req, in the same integers, so that both
// accept and refuse the same requests. Time comes from outside.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/bounded_table.hpp"

namespace troupe {

inline constexpr std::size_t max_gate_keys = 65'536;  // clients remembered at once

struct rate_limit {
  std::int64_t milli_per_second = 0;  // thousandths of a request
  std::int64_t milli_burst = 0;       // what may come beyond the rate
  bool nodelay = true;                // false: what is beyond the rate waits instead of passing
};

// "2r/s" or "30r/m", as nginx writes it; nothing for anything else.
std::optional<std::int64_t> parse_rate(std::string_view text);

class rate_limiter {
 public:
  using milliseconds = std::chrono::milliseconds;

  struct verdict {
    bool passes = false;
    milliseconds delay{0};        // to wait before going on; 0 with nodelay
    milliseconds retry_after{0};  // of a refusal: the first moment at which it would pass
  };

  explicit rate_limiter(std::size_t max_keys = max_gate_keys) : buckets_(max_keys) {}

  // Refusals are not counted: who is refused and comes again pays nothing for it.
  verdict admit(std::string_view key, const rate_limit& limit, milliseconds now);
  std::size_t num_keys() const { return buckets_.size(); }

 private:
  struct bucket {
    std::int64_t excess = 0;  // thousandths of a request beyond the rate
    milliseconds last{0};
  };
  bounded_table<bucket> buckets_;
};

}  // namespace troupe
