// How long one step takes on a GPU: a roofline, and what no roofline knows of, as pure functions.
//
//   weights     of all layers: read once, or multiplied with every row, whichever takes longer
//   lm_head     the same for the rows that get logits
//   attention   keys and values of every chunk read once, or the arithmetic of its rows
//   boundaries  between the kernels of a layer, even within one CUDA graph
//   all_reduce  twice a layer, where several GPUs share the weights
//   sampling    of the rows that get logits
#pragma once
#include <cstdint>

#include "core/batch.hpp"
#include "model/model_config.hpp"
#include "model/sharding.hpp"
#include "sim/gpu_table.hpp"

namespace troupe {

// What one rank holds of a model and must do for it, in bfloat16.
struct model_cost {
  std::uint64_t layer_elements = 0;         // of all layers' weights
  std::uint64_t head_elements = 0;          // of the LM head
  std::uint64_t kv_bytes_per_position = 0;  // all layers
  std::uint64_t flops_per_attended = 0;     // for one row and one position that it sees, all layers
  std::uint64_t row_bytes = 0;              // of one row of the residual stream
  std::uint32_t num_layers = 0;
  std::uint32_t tp_size = 1;
};
model_cost measure_cost(const model_config& config, const shard_plan& plan);

// What one step asks for.
struct step_load {
  std::uint32_t num_rows = 0;
  std::uint32_t num_logit_rows = 0;
  std::uint64_t num_read = 0;      // positions whose keys and values are read, summed over chunks
  std::uint64_t num_attended = 0;  // positions that each row sees, summed over rows
};
step_load measure_load(const step_batch& batch);

// Seconds each.
struct step_parts {
  double weights = 0;
  double lm_head = 0;
  double attention = 0;
  double boundaries = 0;
  double all_reduce = 0;
  double sampling = 0;
  // Kernels reach 93 % of the roofline.
  double total() const;
};
step_parts time_step(const gpu_model& gpu, const gpu_link& link, const model_cost& cost,
                     const step_load& load);

}  // namespace troupe
