#include "cpu/reference.hpp"

#include <algorithm>
#include <cmath>

#include "core/numeric.hpp"

namespace troupe::reference {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace

std::vector<double> linear(std::span<const float> x, std::span<const float> w,
                           std::span<const float> bias) {
  std::vector<double> out(w.size() / x.size());
  for (std::size_t n = 0; n < out.size(); ++n) {
    out[n] = dot(x, w.subspan(n * x.size(), x.size())) + (bias.empty() ? 0.0 : double{bias[n]});
  }
  return out;
}

std::vector<double> rms_norm(std::span<const float> x, std::span<const float> weight, double eps) {
  const double root = std::sqrt(dot(x, x) / static_cast<double>(x.size()) + eps);
  std::vector<double> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = double{x[i]} / root * double{weight[i]};
  return out;
}

std::vector<double> silu_mul(std::span<const float> gate, std::span<const float> up) {
  std::vector<double> out(gate.size());
  for (std::size_t i = 0; i < gate.size(); ++i) {
    out[i] = double{gate[i]} / (1.0 + std::exp(-double{gate[i]})) * double{up[i]};
  }
  return out;
}

std::vector<double> attention(std::span<const float> query, std::span<const float> keys,
                              std::span<const float> values, double scale) {
  const std::size_t dim = query.size();
  std::vector<double> weights(keys.size() / dim);
  for (std::size_t j = 0; j < weights.size(); ++j) {
    weights[j] = dot(query, keys.subspan(j * dim, dim)) * scale;
  }
  const double highest = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& w : weights) sum += w = std::exp(w - highest);
  std::vector<double> out(dim);
  for (std::size_t j = 0; j < weights.size(); ++j) {
    for (std::size_t i = 0; i < dim; ++i) out[i] += weights[j] / sum * double{values[j * dim + i]};
  }
  return out;
}

std::vector<float> quantized(std::span<const float> values, std::size_t group) {
  std::vector<float> out;
  for (std::size_t first = 0; first < values.size(); first += group) {
    const auto part = values.subspan(first, std::min(group, values.size() - first));
    float largest = 0;
    for (const float x : part) largest = std::max(largest, std::fabs(x));
    float step = to_float(to_bfloat16(largest / 127));
    if (step < largest / 127) {
      step = to_float(bfloat16{static_cast<std::uint16_t>(to_bfloat16(largest / 127).bits + 1)});
    }
    for (const float x : part) out.push_back(step > 0 ? std::nearbyint(x / step) * step : 0);
  }
  return out;
}

}  // namespace troupe::reference
