#include "plan/load.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <optional>

#include "model/philox.hpp"

namespace troupe::planning {
namespace {

// Each kind of number has draws of its own.
enum stream : std::uint64_t { inputs = 1, outputs, pauses, tokens, turnarounds };

std::uint64_t seed_of(const load_shape& load, stream which) {
  return random_bits(load.seed, which);
}

constexpr std::uint32_t longest_of_median = 16;

template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number out{};
  const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (why != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<std::uint32_t> read_length(std::string_view text) {
  const auto out = read_number<std::uint32_t>(text);
  return out && *out >= 1 && *out <= most_tokens ? out : std::nullopt;
}

failure refuse(std::string_view text) {
  return {error_code::invalid_argument,
          "expected tokens (512), a range (100..900) or lognormal:MEDIAN:SIGMA, each from 1 to " +
              std::to_string(most_tokens) + " and SIGMA from 0.01 to 3: " + std::string(text),
          "",
          {}};
}

std::optional<length_range> read_lognormal(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto median = read_length(text.substr(0, colon));
  const auto sigma = read_number<double>(text.substr(colon + 1));
  if (!median || !sigma || !(*sigma >= 0.01 && *sigma <= 3)) return std::nullopt;
  return length_range{length_range::kind::lognormal, *median,
                      std::min(most_tokens, longest_of_median * *median), *sigma};
}

std::optional<length_range> read_lengths(std::string_view text) {
  constexpr std::string_view lognormal = "lognormal:";
  if (text.starts_with(lognormal)) return read_lognormal(text.substr(lognormal.size()));
  const auto dots = text.find("..");
  const auto first = read_length(text.substr(0, dots));
  if (!first) return std::nullopt;
  if (dots == std::string_view::npos) return length_range{.first = *first, .last = *first};
  const auto last = read_length(text.substr(dots + 2));
  if (!last || *last < *first) return std::nullopt;
  return length_range{length_range::kind::uniform, *first, *last};
}

}  // namespace

double draw(std::uint64_t seed, std::uint64_t number) {
  return (static_cast<double>(random_bits(seed, number) >> 11U) + 0.5) * 0x1p-53;
}

std::uint32_t length_range::draw(std::uint64_t seed, std::uint64_t number) const {
  if (what == kind::fixed) return first;
  const double u = planning::draw(seed, 2 * number);
  if (what == kind::uniform)
    return first + static_cast<std::uint32_t>(u * (static_cast<double>(last - first) + 1));
  const double angle = 2 * std::numbers::pi * planning::draw(seed, 2 * number + 1);
  const double normal = std::sqrt(-2 * std::log(u)) * std::cos(angle);
  return static_cast<std::uint32_t>(
      std::clamp<double>(std::round(first * std::exp(sigma * normal)), 1, last));
}

double length_range::mean() const {
  if (what == kind::lognormal) return first * std::exp(sigma * sigma / 2);
  return (static_cast<double>(first) + last) / 2;
}

outcome<length_range> parse_lengths(std::string_view text) {
  if (auto range = read_lengths(text)) return *range;
  return refuse(text);
}

std::string to_text(const length_range& range) {
  const auto first = std::to_string(range.first);
  if (range.what == length_range::kind::fixed) return first;
  if (range.what == length_range::kind::uniform) return first + ".." + std::to_string(range.last);
  std::array<char, 32> sigma{};
  std::snprintf(sigma.data(), sigma.size(), "%g", range.sigma);
  return "lognormal:" + first + ":" + sigma.data();
}

drawn_request draw_request(const load_shape& load, std::uint64_t number) {
  drawn_request out;
  const auto length = load.input.draw(seed_of(load, inputs), number);
  out.prompt.reserve(length);
  const auto vocabulary = static_cast<double>(load.vocab_size);
  for (std::uint32_t i = 0; i < length; ++i) {
    // Two prompts have the same tokens where the prefix is shared, and nowhere else.
    const std::uint64_t place = i < load.shared_prefix_tokens ? i : ((number + 1) << 24U) + i;
    out.prompt.push_back(static_cast<token_id>(draw(seed_of(load, tokens), place) * vocabulary));
  }
  out.num_output = load.output.draw(seed_of(load, outputs), number);
  return out;
}

double draw_pause(const load_shape& load, double rate, std::uint64_t number) {
  return -std::log(draw(seed_of(load, pauses), number)) / rate;
}

double draw_turnaround(const load_shape& load, std::uint64_t number) {
  return -std::log(draw(seed_of(load, turnarounds), number)) * load.turnaround_seconds;
}

}  // namespace troupe::planning
