// The CPU as a device: every operation is done when its call returns, spread over a pool of
// threads by rows, tiles of output features or attention heads, each computed by one thread.
// Activations that linear layers read are operands (kernels.hpp), all others float32. Logits of one
// rank go past the caches: the maxima of their tiles tell which few of them a choice reads.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/kv_pages.hpp"
#include "cpu/thread_pool.hpp"
#include "model/device.hpp"
#include "model/sampler.hpp"

namespace troupe {

struct cpu_device_options {
  dtype type = dtype::float32;  // of weights and what linear layers read
  weight_format weights = weight_format::plain;
  kv_type kv = kv_type::float32;
  thread_pool_options threads;
  std::uint32_t num_layers = 0;
  std::uint32_t num_q_heads = 0;  // this rank's
  std::uint32_t num_kv_heads = 0;
  std::uint32_t head_dim = 0;  // a multiple of 16, at most 256
  std::uint32_t num_pages = 0;
  std::uint32_t max_num_rows = 0;  // of a linear layer
  std::size_t max_page_table = 0;  // entries of one step's
  std::uint32_t max_in_features = 0;
  sampler_options sampling;
  // [rope_kind]; [max_model_len, head_dim / 2] each. The owner keeps them alive.
  std::array<rope_view, 2> ropes;
};

class cpu_vector : public device_vector {
 public:
  explicit cpu_vector(std::span<const float> values);
  std::uint32_t size() const override { return static_cast<std::uint32_t>(values_.size()); }
  const float* data() const { return values_.data(); }

 private:
  aligned_buffer<float> values_;
};

// Its communicator is a host_communicator.
class cpu_device : public device {
 public:
  // Throws std::bad_alloc.
  explicit cpu_device(const cpu_device_options& options);

  shared_matrix load_linear(const linear_slice& slice) override;
  shared_matrix load_vocabulary(const linear_slice& slice) override;
  shared_vector load_vector(std::span<const float> values) override;
  activation make_activation(std::uint32_t max_rows, std::uint32_t width) override;
  activation make_logits(std::uint32_t max_rows, std::uint32_t width) override;
  void start_slot(const slot_start& start) override;
  void begin_step(const step_inputs& inputs) override;
  void embed(const device_matrix& table, activation x) override;
  void add_rms_norm(const activation* addend, activation residual, const device_vector& weight,
                    float eps, activation out) override;
  void linear(activation x, const device_matrix& matrix, const device_vector* bias,
              activation out) override;
  void rope_kv_write(std::uint32_t layer, activation qkv) override;
  void attention(std::uint32_t layer, activation qkv, activation out) override;
  void silu_mul(activation gate_up, activation out) override;
  void all_reduce(communicator& ranks, activation x) override;
  void norm_logit_rows(activation addend, activation residual, const device_vector& weight,
                       float eps, activation out) override;
  void logits(activation x, const device_matrix& head, activation out) override;
  gathered_logits gather_logits(communicator& ranks, activation local, activation all) override;
  void sample(const gathered_logits& logits, std::span<const sampled_row> rows) override;
  void share_samples(communicator& ranks, std::span<const sampled_row> rows) override;
  bool has_logits() override { return true; }
  bool is_step_done() override { return true; }
  std::vector<slot_sample> finish_step() override;
  void read_logits(const gathered_logits& logits, std::span<float> out) override;

 private:
  // Rows of one sequence that meet the same keys, times the query heads of one KV head.
  struct attention_task {
    attention_chunk chunk;
    std::uint32_t first_row = 0;  // within the chunk
    std::uint32_t num_rows = 0;
  };
  struct thread_scratch {
    kernels::attention_scratch attention;
    choice_scratch choice;
    std::vector<float> logits;  // one row, gathered from all ranks
  };

  std::uint32_t num_rows() const { return static_cast<std::uint32_t>(tokens_.size()); }
  std::uint32_t num_logit_rows() const { return static_cast<std::uint32_t>(logit_rows_.size()); }
  // The row of an activation that linear layers read; the others hold floats.
  std::uint32_t* operand_row(activation x, std::size_t row) const {
    return static_cast<std::uint32_t*>(x.data) +
           row * kernels::operand_stride(x.width, operand_type());
  }
  // Quantised by whoever reads them, when the whole row is there.
  bool is_quantized() const { return options_.weights != weight_format::plain; }
  dtype operand_type() const { return is_quantized() ? dtype::float32 : options_.type; }
  kernels::linear_args product(activation x, std::uint32_t rows, const device_matrix& matrix,
                               const device_vector* bias, activation out);
  void rope_kv_write_row(std::uint32_t layer, std::uint32_t row, float* qkv);
  void rotate(float* head, std::uint32_t row) const;
  void attend(std::uint32_t layer, const attention_task& task, std::uint32_t kv_head,
              activation qkv, activation out, kernels::attention_scratch& scratch);
  bool has_whole_rows(std::uint32_t width) const { return width >= options_.sampling.num_tokens; }
  void make_room();
  void plan_chunk(const attention_chunk& chunk);
  // `samples`: of `rows`, which are those of one slot.
  void sample_slot(const gathered_logits& logits, std::span<const sampled_row> rows,
                   std::span<slot_sample> samples, thread_scratch& scratch);
  void norm_row(const float* addend, activation residual, std::uint32_t row,
                const device_vector& weight, float eps, std::uint32_t* out);
  std::span<const float> gathered_row(const gathered_logits& logits, std::uint32_t row,
                                      std::vector<float>& memory) const;
  sampled_token sample_row(const gathered_logits& logits, const sampled_row& row,
                           thread_scratch& scratch);

  cpu_device_options options_;
  thread_pool pool_;
  kv_pages pages_;
  sampler sampler_;
  std::vector<aligned_buffer<float>> activations_;
  aligned_buffer<std::uint32_t> quantized_;               // what a linear layer reads
  aligned_buffer<float> maxima_;                          // [logit rows, maxima_stride]
  std::vector<std::unique_ptr<thread_scratch>> scratch_;  // [num_threads]
  std::vector<token_id> last_sampled_;                    // [max_num_seqs]
  std::vector<slot_sample> samples_;                      // [rows] of the step in progress
  std::vector<std::uint32_t> first_samples_;              // of each slot, then the end
  std::vector<token_id> shared_samples_;                  // [samples], on every rank

  // The step's inputs.
  std::vector<token_id> tokens_;
  std::vector<slot_idx> slots_;
  std::vector<std::uint32_t> positions_;
  std::vector<rope_kind> ropes_;
  std::vector<attention_task> attention_tasks_;
  std::vector<page_idx> page_table_;
  std::vector<page_idx> row_pages_;  // [num_rows], where the row's key and value go
  std::vector<std::uint32_t> logit_rows_;
};

}  // namespace troupe
