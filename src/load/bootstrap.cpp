#include "load/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::load {
namespace {

constexpr std::uint64_t few = 1000;

// Every value, as its bucket stands for it.
std::vector<double> values_of(const latency_histogram& times) {
  std::vector<double> out;
  auto n = static_cast<double>(times.count());
  for (std::uint64_t rank = 1; rank <= times.count(); ++rank)
    out.push_back(times.quantile((static_cast<double>(rank) - 0.5) / n));
  return out;
}

double drawn_mean(const std::vector<double>& values, keyed_random& random) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[random.below(values.size())];
  return sum / static_cast<double>(values.size());
}

}  // namespace

std::vector<double> quantile_replicates(const latency_histogram& times, double q,
                                        keyed_random& random) {
  if (times.count() == 0) return {};
  auto n = static_cast<double>(times.count());
  auto k = std::clamp(std::ceil(q * n), 1.0, n);
  std::vector<double> out(num_replicates);
  for (auto& one : out) {
    auto below = random.gamma(k), above = random.gamma(n - k + 1);
    one = times.quantile(below / (below + above));
  }
  return out;
}

std::vector<double> mean_replicates(const latency_histogram& times, keyed_random& random) {
  if (times.count() == 0) return {};
  std::vector<double> out(num_replicates);
  bool are_few = times.count() <= few;
  auto values = are_few ? values_of(times) : std::vector<double>{};
  auto error = times.deviation() / std::sqrt(static_cast<double>(times.count()));
  for (auto& one : out)
    one = are_few ? drawn_mean(values, random) : times.mean() + error * random.normal();
  return out;
}

std::vector<std::uint32_t> draw_blocks(std::uint32_t num_seconds, keyed_random& random) {
  std::vector<std::uint32_t> out;
  auto length = static_cast<std::uint32_t>(std::ceil(std::sqrt(num_seconds)));
  while (out.size() < num_seconds) {
    auto first = static_cast<std::uint32_t>(random.below(num_seconds));
    // Around the end to the begin, so that every second is as likely as any other.
    for (std::uint32_t i = 0; i < length && out.size() < num_seconds; ++i)
      out.push_back((first + i) % num_seconds);
  }
  return out;
}

interval middle_of(std::vector<double> replicates) {
  constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();
  std::erase_if(replicates, [](double value) { return std::isnan(value); });
  if (replicates.empty()) return {unknown, unknown};
  std::ranges::sort(replicates);
  auto at = [&](double share) {
    auto index = share * static_cast<double>(replicates.size() - 1);
    return replicates[static_cast<std::size_t>(std::lround(index))];
  };
  return {at(0.025), at(0.975)};
}

}  // namespace troupe::load
