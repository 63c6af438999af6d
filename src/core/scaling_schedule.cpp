#include "core/scaling_schedule.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace troupe {
namespace {

constexpr std::array<std::string_view, 7> day_names{"Mon", "Tue", "Wed", "Thu",
                                                    "Fri", "Sat", "Sun"};

std::string quoted(std::string_view text) {
  std::string out{'"'};
  return out.append(text).append(1, '"');
}

failure refuse(std::string_view text, const std::string& why) {
  return {.code = error_code::invalid_argument,
          .message = quoted(text) + ": " + why +
                     "; expected DAYS FROM-TO=MIN..MAX, such as Mon-Fri 08:00-20:00=2..5",
          .field = "schedule"};
}

// What stands before and behind the first `mark`; nothing without one.
std::optional<std::pair<std::string_view, std::string_view>> split(std::string_view text,
                                                                   std::string_view mark) {
  auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, at), text.substr(at + mark.size())};
}

// Digits alone, at most nine of them.
std::optional<std::uint32_t> parse_count(std::string_view text) {
  std::uint32_t number = 0;
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > 9 || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

outcome<std::uint32_t, std::string> parse_day(std::string_view text) {
  const auto* found = std::ranges::find(day_names, text);
  if (found == day_names.end())
    return quoted(text) + " is no day (Mon, Tue, Wed, Thu, Fri, Sat or Sun)";
  return static_cast<std::uint32_t>(found - day_names.begin());
}

outcome<std::uint8_t, std::string> parse_days(std::string_view text) {
  std::uint32_t days = 0;
  for (auto rest = std::optional{text}; rest;) {
    auto parts = split(*rest, ",");
    auto range = parts ? parts->first : *rest;
    rest = parts ? std::optional{parts->second} : std::nullopt;
    auto ends = split(range, "-");
    auto first = parse_day(ends ? ends->first : range);
    if (!first) return first.error();
    auto last = parse_day(ends ? ends->second : range);
    if (!last) return last.error();
    for (auto day = *first;; day = (day + 1) % 7) {
      days |= 1U << day;
      if (day == *last) break;
    }
  }
  return static_cast<std::uint8_t>(days);
}

outcome<std::uint32_t, std::string> parse_time(std::string_view text) {
  if (text.size() == 5 && text[2] == ':') {
    auto hours = parse_count(text.substr(0, 2));
    auto minutes = parse_count(text.substr(3));
    if (hours && minutes && *minutes < 60 && *hours * 60 + *minutes <= minutes_per_day)
      return *hours * 60 + *minutes;
  }
  return quoted(text) + " is no time from 00:00 to 24:00";
}

outcome<replica_bounds, std::string> parse_bounds(std::string_view text) {
  auto ends = split(text, "..");
  if (!ends) return quoted(text) + " has no \"..\" between the least and the most replicas";
  auto min = parse_count(ends->first), max = parse_count(ends->second);
  for (auto& [name, number] : {std::pair{ends->first, min}, std::pair{ends->second, max}})
    if (!number || *number < 1 || *number > max_scheduled_replicas)
      return quoted(name) + " is no number of replicas from 1 to " +
             std::to_string(max_scheduled_replicas);
  if (*min > *max)
    return std::string{"at least "} + std::to_string(*min) + " is more than at most " +
           std::to_string(*max);
  return replica_bounds{*min, *max};
}

}  // namespace

bool scaling_window::contains(std::uint32_t minute_of_week) const {
  auto day = minute_of_week / minutes_per_day % 7;
  auto minute = minute_of_week % minutes_per_day;
  return (days >> day & 1U) != 0 && from_minute <= minute && minute < to_minute;
}

outcome<scaling_window> parse_scaling_window(std::string_view text) {
  auto halves = split(text, "=");
  if (!halves) return refuse(text, "there is no \"=\" before the numbers of replicas");
  auto when = split(halves->first, " ");
  if (!when) return refuse(text, "there is no space between the days and the times");
  auto times = split(when->second, "-");
  if (!times) return refuse(text, quoted(when->second) + " has no \"-\" between two times");

  auto days = parse_days(when->first);
  if (!days) return refuse(text, days.error());
  auto from = parse_time(times->first), to = parse_time(times->second);
  if (!from) return refuse(text, from.error());
  if (!to) return refuse(text, to.error());
  if (*from >= *to)
    return refuse(text, quoted(times->first) + " is not before " + quoted(times->second) +
                            " (a night is two windows)");
  auto bounds = parse_bounds(halves->second);
  if (!bounds) return refuse(text, bounds.error());
  return scaling_window{.days = *days, .from_minute = *from, .to_minute = *to, .bounds = *bounds};
}

replica_bounds bounds_at(std::span<const scaling_window> schedule, std::uint32_t minute_of_week,
                         const replica_bounds& otherwise) {
  for (const auto& window : schedule)
    if (window.contains(minute_of_week)) return window.bounds;
  return otherwise;
}

}  // namespace troupe
