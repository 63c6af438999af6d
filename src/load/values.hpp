// Words of the command line that stand for numbers: "500ms", "99%", "1..3s", "normal:200:50".
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"
#include "load/keyed_random.hpp"

namespace troupe::load {

// A finite number and nothing else.
std::optional<double> parse_number(std::string_view text);
// Seconds: a number and us, ms, s, m or h; a bare number is seconds. Not negative.
std::optional<double> parse_seconds(std::string_view text);

// How long users wait between two requests: uniform between the two.
struct think_time {
  double least = 0, most = 0;  // seconds
  double draw(keyed_random& random) const { return least + (most - least) * random.uniform(); }
};
// "2s", "1..3s", "500ms..2s".
outcome<think_time> parse_think_time(std::string_view text);

// Lengths of prompts and answers.
class length_distribution {
 public:
  enum class kind : std::uint8_t { uniform, normal, lognormal, exponential };
  length_distribution(std::uint32_t always = 128) : first_(always), second_(always) {}
  length_distribution(kind how, double first, double second)
      : how_(how), first_(first), second_(second) {}
  // At least 1, at most a million.
  std::uint32_t draw(keyed_random& random) const;

 private:
  kind how_ = kind::uniform;
  double first_, second_;  // bounds; mean and deviation; median and sigma; mean
};
// "128", "64..256", "normal:MEAN:DEVIATION", "lognormal:MEDIAN:SIGMA", "exponential:MEAN".
outcome<length_distribution> parse_lengths(std::string_view text);

// "1,2,4,..,64": a list; after "..", it goes on as the two numbers before it do, by their factor
// where they double, else by their distance, to the last one.
outcome<std::vector<std::uint32_t>> parse_counts(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace troupe::load
