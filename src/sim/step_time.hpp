// How long one step takes on a GPU: a roofline, and what no roofline knows of, as pure functions.
//
//   weights     of all layers: read once, or multiplied with every row, whichever takes longer;
//               of bytes: read as they are for 64 rows, for more made bfloat16 and read again
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

// How one rank holds a model; false: in bfloat16.
struct held_as {
  bool byte_weights = false;  // int8 with one float16 for each group of 128
  bool byte_pages = false;    // fp8 with an exponent for each row of a head
};

// Bytes of that many weights.
std::uint64_t weight_bytes(std::uint64_t num_elements, const held_as& form);
// Bytes of keys and values of one position, all layers of one rank.
std::uint64_t position_bytes(const model_config& config, const shard_plan& plan,
                             const held_as& form);

// What one rank holds of a model and must do for it.
struct model_cost {
  std::uint64_t layer_elements = 0;         // of all layers' weights
  std::uint64_t head_elements = 0;          // of the LM head
  std::uint64_t kv_bytes_per_position = 0;  // all layers
  std::uint64_t flops_per_attended = 0;     // for one row and one position that it sees, all layers
  std::uint64_t row_bytes = 0;              // of one row of the residual stream
  std::uint32_t num_layers = 0;
  std::uint32_t tp_size = 1;
  bool has_byte_weights = false;
};
model_cost measure_cost(const model_config& config, const shard_plan& plan,
                        const held_as& form = {});

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
