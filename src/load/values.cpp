#include "load/values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace troupe::load {
namespace {

constexpr double most_tokens = 1e6;

failure wrong(std::string_view text, std::string_view expected) {
  return {error_code::invalid_argument,
          "expected " + std::string(expected) + ": " + std::string(text), ""};
}

constexpr std::string_view units = "umsh";

// The unit at the end of "3ms": from its first letter on.
std::string_view unit_of(std::string_view text) {
  auto begin = text.find_first_of(units);
  return begin == std::string_view::npos ? std::string_view{} : text.substr(begin);
}

std::optional<std::uint32_t> parse_count(std::string_view text) {
  std::uint32_t out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || out == 0) return std::nullopt;
  return out;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (true) {
    auto end = text.find(separator);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<double> parse_number(std::string_view text) {
  double out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  bool is_whole = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  return is_whole && std::isfinite(out) ? std::optional(out) : std::nullopt;
}

std::optional<double> parse_seconds(std::string_view text) {
  auto unit = unit_of(text);
  auto number = parse_number(text.substr(0, text.size() - unit.size()));
  if (!number || *number < 0) return std::nullopt;
  if (unit.empty() || unit == "s") return number;
  if (unit == "us") return *number * 1e-6;
  if (unit == "ms") return *number * 1e-3;
  if (unit == "m") return *number * 60;
  if (unit == "h") return *number * 3600;
  return std::nullopt;
}

outcome<think_time> parse_think_time(std::string_view text) {
  auto dots = text.find("..");
  auto last = dots == std::string_view::npos ? text : text.substr(dots + 2);
  auto first = std::string(text.substr(0, dots));
  if (unit_of(first).empty()) first += unit_of(last);
  auto least = parse_seconds(first), most = parse_seconds(last);
  if (!least || !most || *least > *most) return wrong(text, "a time such as 2s or 1..3s to think");
  return think_time{*least, *most};
}

std::uint32_t length_distribution::draw(keyed_random& random) const {
  double value = 0;
  switch (how_) {
    case kind::uniform:
      value = first_ + std::floor((second_ - first_ + 1) * random.uniform());
      break;
    case kind::normal: value = first_ + second_ * random.normal(); break;
    case kind::lognormal: value = first_ * std::exp(second_ * random.normal()); break;
    case kind::exponential: value = first_ * random.exponential(); break;
  }
  return static_cast<std::uint32_t>(std::lround(std::clamp(value, 1.0, most_tokens)));
}

outcome<length_distribution> parse_lengths(std::string_view text) {
  using kind = length_distribution::kind;
  static constexpr std::string_view expected =
      "a length such as 128, 64..256, normal:200:50, lognormal:200:0.8 or exponential:200";
  auto parts = split(text, ':');
  std::vector<double> numbers;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    auto number = parse_number(parts[i]);
    if (!number || *number < 0 || *number > most_tokens) return wrong(text, expected);
    numbers.push_back(*number);
  }
  if (parts[0] == "normal" && numbers.size() == 2)
    return length_distribution(kind::normal, numbers[0], numbers[1]);
  if (parts[0] == "lognormal" && numbers.size() == 2)
    return length_distribution(kind::lognormal, numbers[0], numbers[1]);
  if (parts[0] == "exponential" && numbers.size() == 1)
    return length_distribution(kind::exponential, numbers[0], 0);
  auto dots = text.find("..");
  auto least = parse_count(text.substr(0, dots));
  auto most = dots == std::string_view::npos ? least : parse_count(text.substr(dots + 2));
  if (!least || !most || *least > *most || *most > most_tokens) return wrong(text, expected);
  return length_distribution(kind::uniform, *least, *most);
}

outcome<std::vector<std::uint32_t>> parse_counts(std::string_view text) {
  static constexpr std::string_view expected = "ascending counts such as 1,2,4,..,64";
  std::vector<std::uint32_t> out;
  bool goes_on = false;
  for (auto part : split(text, ',')) {
    if (part == ".." && out.size() >= 2 && !goes_on) {
      goes_on = true;
      continue;
    }
    auto count = parse_count(part);
    if (!count || *count > 100'000 || (!out.empty() && *count <= out.back()))
      return wrong(text, expected);
    if (goes_on) {
      auto last = out.back(), before = out[out.size() - 2];
      bool doubles = last == 2 * before;
      while (true) {
        auto next = doubles ? last * 2 : last + (out[out.size() - 1] - out[out.size() - 2]);
        if (next >= *count) break;
        out.push_back(next);
        last = next;
      }
      goes_on = false;
    }
    out.push_back(*count);
  }
  if (goes_on || out.empty()) return wrong(text, expected);
  return out;
}

}  // namespace troupe::load
