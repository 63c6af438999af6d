#include "model/rope.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace troupe {
namespace {

// Rounds to float32 and keeps computing in double. One operation in double, then this, is the
// correctly rounded float32 operation.
double f32(double x) { return static_cast<double>(static_cast<float>(x)); }

// theta^(2i / head_dim): the plain table's wave lengths, in positions per radian.
double wave(const model_config& config, std::uint32_t i) {
  const double exponent = f32(2.0 * i / config.head_dim);
  return f32(std::pow(config.rope_theta, exponent));
}

// The dimension whose wave turns `rotations` times within the original window.
double correction_dim(const model_config& config, const yarn_scaling& yarn, double rotations) {
  const double window = yarn.original_max_position_embeddings;
  return config.head_dim * std::log(window / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(config.rope_theta));
}

// Below `low` a wave is fast and stays; above `high` it is slow and is stretched by the factor.
struct ramp {
  double low = 0;
  double high = 0;

  double at(std::uint32_t i) const {
    return std::clamp(f32(f32(i - f32(low)) / f32(high - low)), 0.0, 1.0);
  }
};

ramp make_ramp(const model_config& config, const yarn_scaling& yarn) {
  double low = correction_dim(config, yarn, yarn.beta_fast);
  double high = correction_dim(config, yarn, yarn.beta_slow);
  if (yarn.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  ramp out{std::max(low, 0.0), std::min(high, config.head_dim - 1.0)};
  if (out.low == out.high) out.high += 0.001;  // as Hugging Face avoids the division by zero
  return out;
}

}  // namespace

std::vector<float> rope_frequencies(const model_config& config, rope_kind kind) {
  std::vector<float> out(config.head_dim / 2);
  const bool is_scaled = kind == rope_kind::scaled && config.yarn;
  const ramp slow = is_scaled ? make_ramp(config, *config.yarn) : ramp{};
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    const double plain = f32(1.0 / wave(config, i));
    if (!is_scaled) {
      out[i] = static_cast<float>(plain);
      continue;
    }
    const double stretched = f32(1.0 / f32(config.yarn->factor * wave(config, i)));
    const double plain_share = f32(1.0 - slow.at(i));
    const double stretched_share = f32(1.0 - plain_share);
    out[i] = static_cast<float>(f32(stretched * stretched_share) + f32(plain * plain_share));
  }
  return out;
}

double rope_attention_factor(const model_config& config, rope_kind kind) {
  if (kind == rope_kind::plain || !config.yarn) return 1.0;
  if (config.yarn->attention_factor) return *config.yarn->attention_factor;
  return config.yarn->factor <= 1 ? 1.0 : 0.1 * std::log(config.yarn->factor) + 1.0;
}

rope_table make_rope_table(const model_config& config, rope_kind kind,
                           std::uint32_t num_positions) {
  const std::vector<float> frequencies = rope_frequencies(config, kind);
  const double factor = rope_attention_factor(config, kind);
  rope_table out{num_positions, static_cast<std::uint32_t>(frequencies.size()), {}, {}};
  const std::size_t size = std::size_t{num_positions} * frequencies.size();
  out.cos.reserve(size);
  out.sin.reserve(size);
  for (std::uint32_t position = 0; position < num_positions; ++position) {
    for (float frequency : frequencies) {
      const double angle = f32(static_cast<double>(frequency) * position);
      out.cos.push_back(static_cast<float>(std::cos(angle) * factor));
      out.sin.push_back(static_cast<float>(std::sin(angle) * factor));
    }
  }
  return out;
}

}  // namespace troupe
