// What people ask the simulated fleet: prompts that have nothing in common, and conversations that
// begin with one of a few long system prompts.
#pragma once
#include "replica_simulation.hpp"

#include <cstdint>
#include <functional>

namespace troupe::simulation {

// Requests per second at a time; they come at random (Poisson).
using rate = std::function<double(double seconds)>;

struct prompt_options {
  rate per_second;
  double end = 0;                           // seconds
  double median_tokens = 450, sigma = 1.3;  // lognormal: most are short, a few very long
  double mean_output_tokens = 120;
};
// Independent prompts.
workload prompts(const prompt_options& options, std::uint64_t seed);

struct chat_options {
  rate per_second;
  double end = 0;  // seconds
  std::uint32_t num_system_prompts = 32;
  std::uint32_t num_system_tokens = 1500;
  std::uint32_t num_conversations = 1000;  // going on at once; each turn belongs to any of them
  double mean_turns = 2;
  double median_user_tokens = 300;
  double mean_output_tokens = 120;
};
// A turn's prompt is all that was said before it.
workload chat(const chat_options& options, std::uint64_t seed);

}  // namespace troupe::simulation
