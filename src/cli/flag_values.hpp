// Values with units, as flags take them: 64MiB, 1.5GiB, 250ms, 2m.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

// Bytes: a number and B, KiB, MiB, GiB, TiB (powers of 1024), or kB, MB, GB, TB (of 1000).
std::optional<std::uint64_t> parse_bytes(std::string_view text);
// A time: a number and ms, s, m or h; a bare number is seconds.
std::optional<std::chrono::milliseconds> parse_time(std::string_view text);

// The shortest whole number with a unit that reads back as the same value.
std::string format_bytes(std::uint64_t bytes);
std::string format_time(std::chrono::milliseconds time);

}  // namespace troupe
