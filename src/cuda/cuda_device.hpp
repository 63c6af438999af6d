// A GPU as a device: bfloat16 activations, weights and KV pages of bfloat16 or of bytes, logits in
// float32, one stream. Operations
// are kernels (cuda/kernels.hpp) and multiplications (cuda/gemm.hpp) that the host enqueues; tokens
// go from the sampler to the next step's embedding without it.
//
// A step in which every sequence decodes one token is padded to a bucket of rows, captured into a
// graph the second time and replayed afterwards: operations are then told but not enqueued one by
// one. All other steps are enqueued as they are told.
//
// Its communicator is a gpu_communicator. Up to num_steps_in_flight steps may be begun before the
// first is waited for.
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "cuda/cuda_weights.hpp"
#include "cuda/device_sizes.hpp"
#include "cuda/gemm.hpp"
#include "cuda/gpu_communicator.hpp"
#include "cuda/owners.hpp"
#include "cuda/step_block.hpp"
#include "cuda/step_graphs.hpp"
#include "model/device.hpp"

namespace troupe::cuda {

class cuda_device : public device {
 public:
  // Throws device_error.
  explicit cuda_device(const cuda_device_options& options);
  ~cuda_device() override;

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
  bool has_logits() override;
  bool is_step_done() override;
  std::vector<slot_sample> finish_step() override;
  void read_logits(const gathered_logits& logits, std::span<float> out) override;

  // Chooses how the model's multiplications are done, by time (cuda/gemm.hpp). Of steps of up to
  // max_rows rows.
  void choose_gemms(const std::vector<std::pair<gemm_shape, std::vector<weight_view>>>& matrices,
                    std::uint32_t max_rows, gemm_choices& out);
  void use_gemms(std::shared_ptr<const gemm_choices> choices) { gemm_.use(std::move(choices)); }

 private:
  // A step that was begun and not waited for.
  struct step_in_flight {
    std::size_t ring_idx = 0;
    bool sampled = false;
    bool ended = false;
    std::uint32_t num_rows = 0;     // with logits
    std::vector<slot_idx> slots;    // [num_rows]
    std::vector<int> num_logprobs;  // [num_rows], as the slot asked for
  };
  // Memory of a step in flight.
  struct step_memory {
    pinned_buffer block;
    pinned_buffer choice;
    device_buffer results;  // chosen_token[], likely_token[]
    pinned_buffer read;     // the same, then the fault word
    event_owner logits;
    event_owner sampled;
    event_owner done;
  };

  void make_room(const cuda_device_options& options);
  void upload_ropes();
  bool is_decode(const step_inputs& inputs) const;
  step_counts count_step(const step_inputs& inputs) const;
  void pad_to_bucket(step_counts& counts) const;
  choice_layout upload_choice(std::span<const sampled_row> rows);
  void end_operations();
  void end_step();
  bool agree_with_ranks(bool mine);
  void use(communicator& ranks) { ranks_ = &static_cast<gpu_communicator&>(ranks); }
  void norm(const activation* addend, activation residual, const device_vector& weight, float eps,
            activation out, const std::uint32_t* rows, std::uint32_t num_rows);
  void multiply(activation x, std::uint32_t rows, const device_matrix& matrix,
                const device_vector* bias, void* out, bool is_float32);
  void place_lists(slot_idx slot, slot_image& image);
  void read_samples(const step_in_flight& step, step_memory& memory);
  bool has_come(const event_owner& event);
  std::vector<slot_sample> take_samples(const step_in_flight& step, const step_memory& memory);

  template <class T>
  const T* in_step(const block_section<T>& section) const {
    return section.at(step_block_.data());
  }
  kv_pages pages_of(std::uint32_t layer) const;
  attention_args attention_of(std::uint32_t layer, activation qkv, activation out) const;
  cudaStream_t stream() const { return stream_.get(); }

  cuda_device_options options_;
  device_sizes sizes_;
  stream_owner stream_;
  stream_owner side_stream_;  // brings samples to the host beside the next step
  gemm gemm_;
  std::unique_ptr<weight_uploader> uploader_;  // made when it is first needed
  gpu_communicator* ranks_ = nullptr;

  device_buffer keys_;    // [layer][page][kv head] of head_page_bytes
  device_buffer values_;  // the same
  std::array<device_buffer, 2> rope_buffers_;
  std::array<rope_tables, 2> ropes_{};
  std::vector<device_buffer> activations_;
  device_buffer step_block_;
  device_buffer choice_block_;
  device_buffer partial_sums_;
  device_buffer partial_scale_;
  device_buffer sample_scratch_;
  device_buffer sampling_slots_;            // sampling_slot[max_num_seqs]
  device_buffer slot_lists_;                // [max_num_seqs] of list_bytes_per_slot
  std::vector<device_buffer> large_lists_;  // [max_num_seqs], where a slot needs more
  std::vector<int> num_logprobs_;           // [max_num_seqs]
  device_buffer next_tokens_;               // int32[max_num_seqs]
  device_buffer fault_;
  // What ranks ask each other (agree_with_ranks): this one's word, then everybody's.
  device_buffer words_;
  pinned_buffer words_read_;
  event_owner words_are_here_;
  std::array<step_memory, num_steps_in_flight> ring_;

  // The step that is being told.
  attention_plan plan_;
  step_layout layout_;
  std::uint64_t num_begun_ = 0;
  std::deque<step_in_flight> in_flight_;
  step_graphs graphs_;
};

}  // namespace troupe::cuda
