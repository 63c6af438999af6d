// Rotary position embedding tables, plain and YaRN.
//
// Models are trained and published against Hugging Face's arithmetic, which is float32: at position
// 131071 an angle near 1e5 radians has a spacing of 2^-7, so angles in double would be further from
// what the model knows than rounding as Hugging Face does. Therefore every intermediate result
// that is float32 there (frequencies, ramp, angle) is computed in double here and rounded to
// float32; cos and sin are taken in double of that float32 angle, multiplied by the attention
// factor and rounded once. What is left is an ulp where a float32 pow, cos or sin is not
// correctly rounded.
#pragma once
#include "core/batch.hpp"
#include "model/model_config.hpp"

#include <cstdint>
#include <vector>

namespace troupe {

// Feature i of a head rotates with feature i + head_dim / 2 by the angle position * frequency[i].
struct rope_table {
  std::uint32_t num_positions = 0;
  std::uint32_t half_dim = 0;  // head_dim / 2
  std::vector<float> cos;      // [num_positions, half_dim], attention factor included
  std::vector<float> sin;      // [num_positions, half_dim], attention factor included
};

// [head_dim / 2], in radians per position. `scaled` is YaRN as the config states it; for a model
// without YaRN it is the plain one.
std::vector<float> rope_frequencies(const model_config& config, rope_kind kind);
// What cos and sin are multiplied by: 1 for the plain table.
double rope_attention_factor(const model_config& config, rope_kind kind);

// Positions 0 .. num_positions - 1.
rope_table make_rope_table(const model_config& config, rope_kind kind, std::uint32_t num_positions);

}  // namespace troupe
