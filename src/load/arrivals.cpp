#include "load/arrivals.hpp"

#include "load/keyed_random.hpp"
#include "load/values.hpp"

namespace troupe::load {
namespace {

using kind = arrival_process::kind;

}  // namespace

outcome<arrival_process> parse_arrival(std::string_view text) {
  if (text == "poisson") return arrival_process{};
  if (text == "constant") return arrival_process{kind::constant, 0};
  static constexpr std::string_view gamma = "gamma:";
  if (text.starts_with(gamma)) {
    auto shape = parse_number(text.substr(gamma.size()));
    if (shape && *shape >= 0.01 && *shape <= 1e6) return arrival_process{kind::gamma, *shape};
  }
  return failure{
      error_code::invalid_argument,
      "expected poisson, constant or gamma:SHAPE (0.01 to 1000000): " + std::string(text),
      "arrival"};
}

std::string to_string(const arrival_process& process) {
  switch (process.how) {
    case kind::poisson: return "poisson";
    case kind::constant: return "constant";
    case kind::gamma: break;
  }
  auto shape = std::to_string(process.shape);
  shape.erase(shape.find_last_not_of('0') + 1);
  if (shape.ends_with('.')) shape.pop_back();
  return "gamma:" + shape;
}

std::vector<double> arrival_times(const arrival_process& process, double rate, double duration,
                                  std::uint64_t seed) {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(rate * duration * 1.1) + 16);
  if (process.how == kind::constant) {
    // Not a sum of gaps: it would drift.
    for (std::uint64_t i = 0;; ++i) {
      auto time = static_cast<double>(i) / rate;
      if (time >= duration) return out;
      out.push_back(time);
    }
  }
  keyed_random random(seed);
  double time = 0;
  while (true) {
    time += process.how == kind::poisson ? random.exponential() / rate
                                         : random.gamma(process.shape) / (process.shape * rate);
    if (time >= duration) return out;
    out.push_back(time);
  }
}

}  // namespace troupe::load
