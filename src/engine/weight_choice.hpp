// How a model's weights are held: what --quantization asks for and what the checkpoint is.
#pragma once
#include "core/outcome.hpp"
#include "cpu/packed_matrix.hpp"
#include "engine/engine_options.hpp"
#include "model/model_config.hpp"

namespace troupe {

// automatic: as the checkpoint is. none: floats, made of a checkpoint's integers, too. Refuses to
// quantise what is quantised already.
outcome<weight_format> choose_weight_format(quantization wanted, const model_config& config);

}  // namespace troupe
