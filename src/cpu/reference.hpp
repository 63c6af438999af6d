// The kernels as formulas, in double precision, on row-major memory: what kernels.hpp must agree
// with up to rounding. For tests and for reading.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace troupe::reference {

// out[n] = bias[n] + sum over k of x[k] * w[n][k]; w is [num_outputs, x.size()], bias may be empty.
std::vector<double> linear(std::span<const float> x, std::span<const float> w,
                           std::span<const float> bias);

// (x / sqrt(mean(x^2) + eps)) * weight
std::vector<double> rms_norm(std::span<const float> x, std::span<const float> weight, double eps);

// gate / (1 + exp(-gate)) * up
std::vector<double> silu_mul(std::span<const float> gate, std::span<const float> up);

// softmax(q * K^T * scale) * V; keys and values are [num_keys, query.size()].
std::vector<double> attention(std::span<const float> query, std::span<const float> keys,
                              std::span<const float> values, double scale);

// What int8 keeps of them: in groups of `group` neighbours (a shorter last one) the nearest
// multiple of one step, which is the largest magnitude / 127, rounded up to a bfloat16.
std::vector<float> quantized(std::span<const float> values, std::size_t group);

}  // namespace troupe::reference
