// What is asked of a deployment: how long prompts and answers are, and how requests arrive. The
// same seed gives the same requests everywhere.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/id.hpp"
#include "core/outcome.hpp"

namespace troupe::planning {

// Uniform draws in (0, 1), by number: the standard library's differ from one to the other.
double draw(std::uint64_t seed, std::uint64_t number);

// Tokens of a prompt or an answer.
struct length_range {
  enum class kind : std::uint8_t { fixed, uniform, lognormal };
  kind what = kind::fixed;
  std::uint32_t first = 1;  // fixed: all; uniform: the shortest; lognormal: the median
  std::uint32_t last = 1;   // the longest; of lognormal 16 medians
  double sigma = 0;         // of the logarithm

  std::uint32_t draw(std::uint64_t seed, std::uint64_t number) const;
  double mean() const;
};
inline constexpr std::uint32_t most_tokens = 1U << 20;
// "512", "100..900" or "lognormal:300:0.8" (median and sigma, up to 16 medians), each from 1 to
// most_tokens, sigma from 0.01 to 3.
outcome<length_range> parse_lengths(std::string_view text);
std::string to_text(const length_range& range);

struct load_shape {
  length_range input{.first = 512, .last = 512};
  length_range output{.first = 128, .last = 128};
  std::uint32_t shared_prefix_tokens = 0;  // the same at the beginning of every prompt
  // From the end of an answer until its client's next request is there, on average: the way of both
  // and what the client does between them. Without any, clients that begin together stay together.
  double turnaround_seconds = 0;
  double seconds = 60;  // of simulated time, that are looked at
  std::uint64_t seed = 1;
  std::uint32_t vocab_size = 0;  // prompts are of these
};

// One row of a table: so many clients that ask again when they are answered, or arrivals at random.
struct load_case {
  std::uint32_t concurrency = 0;
  double rate = 0;  // requests a second, Poisson; used when concurrency is 0
};

struct drawn_request {
  std::vector<token_id> prompt;
  std::uint32_t num_output = 0;
};
drawn_request draw_request(const load_shape& load, std::uint64_t number);
// Seconds from one arrival to the next.
double draw_pause(const load_shape& load, double rate, std::uint64_t number);
// Seconds before a client sends that request.
double draw_turnaround(const load_shape& load, std::uint64_t number);

}  // namespace troupe::planning
