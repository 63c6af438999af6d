// How a model's weights are held: what --quantization asks for and what the checkpoint is.
#pragma once
#include <cstdint>

#include "core/outcome.hpp"
#include "cpu/packed_matrix.hpp"
#include "model/model_config.hpp"

namespace troupe {

enum class quantization : std::uint8_t { automatic, none, int8, int4 };

// automatic: as the checkpoint is. none: floats, made of a checkpoint's integers, too. Refuses to
// quantise what is quantised already.
outcome<weight_format> choose_weight_format(quantization wanted, const model_config& config);

}  // namespace troupe
