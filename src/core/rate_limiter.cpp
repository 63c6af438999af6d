#include "core/rate_limiter.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t one_request = 1000;
constexpr std::int64_t max_rate = 1'000'000;         // requests per second
constexpr std::int64_t max_step_ms = 9'000'000'000;  // times the highest rate: still an int64
constexpr std::int64_t clock_jump_ms = -60'000;

// nginx takes a clock that jumped far back for one that went on.
std::int64_t time_between(milliseconds last, milliseconds now) {
  auto ms = (now - last).count();
  if (ms < clock_jump_ms) return 1;
  return std::clamp<std::int64_t>(ms, 0, max_step_ms);
}

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

rate_limiter::verdict rate_limiter::admit(std::string_view key, const rate_limit& limit,
                                          milliseconds now) {
  auto* known = buckets_.find(key);
  if (known == nullptr) {
    buckets_.add(key, {.excess = 0, .last = now});
    return {.passes = true};
  }
  auto rate = limit.milli_per_second;
  auto ms = time_between(known->last, now);
  auto excess = std::max<std::int64_t>(0, known->excess - rate * ms / 1000 + one_request);
  if (excess > limit.milli_burst) {
    auto surplus = known->excess + one_request - limit.milli_burst;
    return {.retry_after = milliseconds{divide_up(surplus * 1000, rate) - ms}};
  }
  known->excess = excess;
  if (ms != 0) known->last = now;
  return {.passes = true, .delay = milliseconds{limit.nodelay ? 0 : excess * 1000 / rate}};
}

std::optional<std::int64_t> parse_rate(std::string_view text) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string_view unit{rest, static_cast<std::size_t>(end - rest)};
  if (error != std::errc{} || number < 1 || number > max_rate) return std::nullopt;
  if (unit == "r/s") return number * one_request;
  if (unit == "r/m") return number * one_request / 60;
  return std::nullopt;
}

}  // namespace troupe
