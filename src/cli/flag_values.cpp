#include "cli/flag_values.hpp"

#include <charconv>
#include <cmath>
#include <span>
#include <utility>

namespace troupe {
namespace {

using unit = std::pair<std::string_view, double>;

// The number times its unit; nothing for malformed, negative or absurd input.
std::optional<double> parse_with_unit(std::string_view text, std::span<const unit> units,
                                      double limit) {
  double number = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view suffix{rest, static_cast<std::size_t>(text.data() + text.size() - rest)};
  for (auto& [name, factor] : units) {
    if (suffix != name) continue;
    auto value = number * factor;
    if (!(value >= 0 && value <= limit)) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  static constexpr unit units[] = {
      {"", 1},         {"B", 1},    {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30},
      {"TiB", 0x1p40}, {"kB", 1e3}, {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12}};
  auto value = parse_with_unit(text, units, 0x1p53);
  if (!value) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::optional<std::chrono::milliseconds> parse_time(std::string_view text) {
  static constexpr unit units[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};
  auto value = parse_with_unit(text, units, 1e12);
  if (!value) return std::nullopt;
  return std::chrono::milliseconds{std::llround(*value)};
}

std::string format_bytes(std::uint64_t bytes) {
  std::string_view suffix;
  for (std::string_view larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    suffix = larger;
  }
  return std::to_string(bytes).append(suffix);
}

std::string format_time(std::chrono::milliseconds time) {
  if (time.count() % 1000 != 0) return std::to_string(time.count()) + "ms";
  return std::to_string(time.count() / 1000) + "s";
}

}  // namespace troupe
