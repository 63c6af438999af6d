// How many tokens each client may use: so many per minute, refilled all the time, at most a
// minute's worth saved up. Charged before the work is done, the unused part comes back after it.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/bounded_table.hpp"
#include "core/rate_limiter.hpp"

namespace troupe {

// "100000/min"; nothing for anything else.
std::optional<std::int64_t> parse_token_rate(std::string_view text);

class token_budget {
 public:
  using milliseconds = std::chrono::milliseconds;

  struct verdict {
    bool passes = false;
    milliseconds retry_after{0};  // of a refusal: when there will be enough if nobody else comes
  };

  explicit token_budget(std::size_t max_keys = max_gate_keys) : accounts_(max_keys) {}

  // `num_tokens` beyond a whole minute's worth never pass.
  verdict charge(std::string_view key, std::int64_t per_minute, std::int64_t num_tokens,
                 milliseconds now);
  void give_back(std::string_view key, std::int64_t per_minute, std::int64_t num_tokens,
                 milliseconds now);
  std::size_t num_keys() const { return accounts_.size(); }

 private:
  // In parts of a token: a millisecond brings as many parts as a minute brings tokens, so nothing
  // is ever rounded.
  struct account {
    std::int64_t parts = 0;
    milliseconds last{0};
  };
  account& refill(std::string_view key, std::int64_t per_minute, milliseconds now);

  bounded_table<account> accounts_;
};

}  // namespace troupe
