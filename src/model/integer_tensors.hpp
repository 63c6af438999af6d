// Finds the tensors of a checkpoint's weights of integers: the second half of model/weights.hpp.
#pragma once
#include "model/misfit_list.hpp"
#include "model/published_integers.hpp"
#include "model/safetensors.hpp"
#include "model/weight_table.hpp"

#include <string>

namespace troupe {

// Takes what stands for the layer's weight `expected` out of `found`: qweight, qzeros, scales, for
// GPTQ an optional g_idx, which must number the groups in their order, and a bias that the model
// does not have, which must be zeros. Whatever is wrong becomes a misfit.
void take_integers(tensor_map& found, const weight_entry& expected, const published_format& format,
                   misfit_list& misfits);

std::string shape_text(const std::vector<std::int64_t>& shape);  // "[2, 3]"

}  // namespace troupe
