#include "core/token_budget.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

constexpr std::int64_t parts_per_token = 60'000;
constexpr std::int64_t max_per_minute = 1'000'000'000'000;  // times the parts: still an int64

}  // namespace

token_budget::account& token_budget::refill(std::string_view key, std::int64_t per_minute,
                                            milliseconds now) {
  auto full = per_minute * parts_per_token;
  auto* known = accounts_.find(key);
  if (known == nullptr) return accounts_.add(key, {.parts = full, .last = now});
  // A minute fills it, whatever was in it.
  auto ms = std::clamp<std::int64_t>((now - known->last).count(), 0, parts_per_token);
  known->parts = std::min(full, known->parts + ms * per_minute);
  known->last = std::max(known->last, now);
  return *known;
}

token_budget::verdict token_budget::charge(std::string_view key, std::int64_t per_minute,
                                           std::int64_t num_tokens, milliseconds now) {
  auto& mine = refill(key, per_minute, now);
  if (num_tokens > per_minute) return {.retry_after = std::chrono::minutes{1}};
  auto lack = num_tokens * parts_per_token - mine.parts;
  if (lack > 0) return {.retry_after = milliseconds{(lack + per_minute - 1) / per_minute}};
  mine.parts -= num_tokens * parts_per_token;
  return {.passes = true};
}

void token_budget::give_back(std::string_view key, std::int64_t per_minute, std::int64_t num_tokens,
                             milliseconds now) {
  auto& mine = refill(key, per_minute, now);
  auto returned = std::clamp<std::int64_t>(num_tokens, 0, per_minute) * parts_per_token;
  mine.parts = std::min(per_minute * parts_per_token, mine.parts + returned);
}

std::optional<std::int64_t> parse_token_rate(std::string_view text) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string_view unit{rest, static_cast<std::size_t>(end - rest)};
  if (error != std::errc{} || number < 1 || number > max_per_minute || unit != "/min")
    return std::nullopt;
  return number;
}

}  // namespace troupe
