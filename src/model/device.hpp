// The only interface between the model and the metal: memory, weights in, and the fused operations
// of one forward pass. One device is one rank's shard; model/forward.cpp is written against it
// once.
//
// Operations are enqueued in the order of the calls and may run later: no operation answers the
// host. Only finish_step() and read_logits() wait. Addresses belong to the device; the host never
// looks behind one. Every operation throws device_error when the device fails. One thread drives a
// device.
//
// Invariant: an output row depends on its own input row, the weights and, in attention, on the KV
// pages of its own sequence; never on how many rows stand beside it. On GPUs that holds up to a
// rounding, and bit for bit where the device is deterministic.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "core/batch.hpp"
#include "model/communicator.hpp"
#include "model/runner.hpp"
#include "model/sharding.hpp"

namespace troupe {

// A linear weight [out_features, in_features] in the device's own packing, made once at load.
class device_matrix {
 public:
  device_matrix(std::uint32_t out_features, std::uint32_t in_features)
      : out_features_(out_features), in_features_(in_features) {}
  virtual ~device_matrix() = default;
  device_matrix(const device_matrix&) = delete;
  device_matrix& operator=(const device_matrix&) = delete;
  std::uint32_t out_features() const { return out_features_; }
  std::uint32_t in_features() const { return in_features_; }
  virtual std::uint64_t size_in_bytes() const = 0;

 private:
  std::uint32_t out_features_;
  std::uint32_t in_features_;
};
using shared_matrix = std::shared_ptr<const device_matrix>;

// A norm's weights or a bias: [size], float32 on the device.
class device_vector {
 public:
  virtual ~device_vector() = default;
  virtual std::uint32_t size() const = 0;
};
using shared_vector = std::shared_ptr<const device_vector>;

// Rows of activations in the device's memory and its element type.
struct activation {
  void* data = nullptr;
  std::uint32_t width = 0;  // elements of a row; rows lie back to back
};

// cos and sin of every position for one rope_kind: [num_positions, head_dim / 2] each.
struct rope_view {
  std::span<const float> cos;
  std::span<const float> sin;
};

// Consecutive rows of one sequence that attend to its pages, positions 0 up to their own.
struct attention_chunk {
  std::uint32_t first_row = 0;
  std::uint32_t num_rows = 0;
  std::uint32_t first_position = 0;
  std::uint32_t first_page_idx = 0;  // into step_inputs::page_table
  std::uint32_t num_pages = 0;
};

// Everything that one step uploads. The spans live until begin_step returns; indices are valid.
struct step_inputs {
  std::span<const token_id> tokens;          // [num_rows]; last_sampled: what the slot sampled last
  std::span<const slot_idx> slots;           // [num_rows]
  std::span<const std::uint32_t> positions;  // [num_rows]
  std::span<const rope_kind> ropes;          // [num_rows]
  std::span<const attention_chunk> chunks;   // cover all rows, in order
  std::span<const page_idx> page_table;
  std::span<const std::uint32_t> logit_rows;  // rows that the LM head is applied to, ascending
};

// A logit row whose logits choose a token for its slot.
struct sampled_row {
  std::uint32_t logit_idx = 0;  // into step_inputs::logit_rows
  slot_idx slot = 0;
  const token_mask* mask = nullptr;  // null: any token may come
};

// The logits of the step's logit rows, all ranks: rank r's columns follow rank r-1's.
struct gathered_logits {
  const void* data = nullptr;  // float32 [num_ranks, num_rows, columns_per_rank]
  std::uint32_t num_ranks = 1;
  std::uint32_t num_rows = 0;
  std::uint32_t columns_per_rank = 0;
};

class device {
 public:
  virtual ~device() = default;

  // Weights in. What they return may outlive the device and serve another one of its kind.
  virtual shared_matrix load_linear(const linear_slice& slice) = 0;
  // The embedding or the LM head, one row for each token id.
  virtual shared_matrix load_vocabulary(const linear_slice& slice) = 0;
  virtual shared_vector load_vector(std::span<const float> values) = 0;

  // [max_rows, width], zeroed; lives as long as the device. Called at start, never within a step.
  virtual activation make_activation(std::uint32_t max_rows, std::uint32_t width) = 0;
  // The same for logits, always float32.
  virtual activation make_logits(std::uint32_t max_rows, std::uint32_t width) = 0;

  // The slot's sampling state from here on; waits for no step.
  virtual void start_slot(const slot_start& start) = 0;

  virtual void begin_step(const step_inputs& inputs) = 0;

  // x[row] = table[token of the row]
  virtual void embed(const device_matrix& table, activation x) = 0;
  // residual += addend (where there is one); out = residual / rms(residual) * weight
  virtual void add_rms_norm(const activation* addend, activation residual,
                            const device_vector& weight, float eps, activation out) = 0;
  // out = x * matrix^T (+ bias), accumulated in float32 over in_features in a fixed order
  virtual void linear(activation x, const device_matrix& matrix, const device_vector* bias,
                      activation out) = 0;
  // qkv[row] = q heads, k heads, v heads: rotates q in place and k on its way into the layer's
  // pages; writes v there.
  virtual void rope_kv_write(std::uint32_t layer, activation qkv) = 0;
  // out[row] = softmax(q * K^T / sqrt(head_dim)) * V over positions 0 .. the row's own
  virtual void attention(std::uint32_t layer, activation qkv, activation out) = 0;
  // out = silu(gate) * up for gate_up[row] = gate, up
  virtual void silu_mul(activation gate_up, activation out) = 0;
  // Sums the step's rows over the ranks; every rank gets the same bits.
  virtual void all_reduce(communicator& ranks, activation x) = 0;
  // out[i] = add_rms_norm of row logit_rows[i]; that row of residual is changed.
  virtual void norm_logit_rows(activation addend, activation residual, const device_vector& weight,
                               float eps, activation out) = 0;
  // logits = x * head^T for the logit rows
  virtual void logits(activation x, const device_matrix& head, activation out) = 0;
  // all: [num_ranks * max_rows, width]
  virtual gathered_logits gather_logits(communicator& ranks, activation local, activation all) = 0;

  // Chooses a token for each of the rows, under its mask, for its slot; see model/sampler.hpp. One
  // rank does it. Rows of one slot stand side by side and are consecutive rows of the step: each
  // but the first is sampled only if the choice before it is the token of this row (a draft). The
  // masks live until it returns.
  virtual void sample(const gathered_logits& logits, std::span<const sampled_row> rows) = 0;
  // Brings rank 0's choices to every rank; later steps take each slot's last for last_sampled.
  virtual void share_samples(communicator& ranks, std::span<const sampled_row> rows) = 0;

  // Whether the logits of the last step are there: nothing that was told before is still to do.
  virtual bool has_logits() = 0;
  // Whether finish_step() would not wait, when the step has been told whole.
  virtual bool is_step_done() = 0;
  // Waits for the oldest step that begin_step began and nobody waited for; a device may hold the
  // next one meanwhile. Its samples, empty where this rank did not sample.
  virtual std::vector<slot_sample> finish_step() = 0;
  // Of the last step, whose logits they are. Copies them to the host: [num_rows, num_ranks *
  // columns_per_rank].
  virtual void read_logits(const gathered_logits& logits, std::span<float> out) = 0;
};

}  // namespace troupe
