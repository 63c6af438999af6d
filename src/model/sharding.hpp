// Who computes what under tensor parallelism: pure functions of the model's shape, the number of
// ranks and the rank. Every rank has equal local shapes; what does not divide is padded with zeros.
//
//   qkv      columns of the layer: whole KV groups, or a part of one group with its KV head copied
//   o        the input columns of those query heads; the ranks' results add up
//   gate_up  an equal part of the intermediate features, gate rows before up rows
//   down     the input columns of that part; the ranks' results add up
//   lm_head  an equal part of the vocabulary; the embedding is whole on every rank
#pragma once
#include "core/numeric.hpp"
#include "core/outcome.hpp"
#include "model/integer_groups.hpp"
#include "model/model_config.hpp"
#include "model/tensor.hpp"
#include "model/weights.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace troupe {

struct index_range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t size() const { return end - begin; }
  bool operator==(const index_range&) const = default;
};

// One rank's share. Local query head h reads local KV head h / (q_heads.size() / kv_heads.size()).
struct shard_plan {
  std::uint32_t tp_size = 1;
  std::uint32_t rank = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t hidden_size = 0;
  // [num_local_q_heads] global query heads; none: a padding head, whose weights are all zero.
  std::vector<std::optional<std::uint32_t>> q_heads;
  // [num_local_kv_heads] global KV heads; with more ranks than KV heads neighbours share one.
  std::vector<std::uint32_t> kv_heads;
  index_range intermediate;  // global features of gate and up
  index_range vocab;         // global token ids whose logits this rank computes
  // Rows of the local LM head, equal on every rank. Rows vocab.size() and above are zero: whoever
  // samples must not look at them.
  std::uint32_t vocab_per_rank = 0;

  std::uint32_t num_q_heads() const { return static_cast<std::uint32_t>(q_heads.size()); }
  std::uint32_t num_kv_heads() const { return static_cast<std::uint32_t>(kv_heads.size()); }
  std::uint32_t q_size() const { return num_q_heads() * head_dim; }
  std::uint32_t kv_size() const { return num_kv_heads() * head_dim; }
};

// Refuses a tp_size that is 0, above the number of query heads, neither a divisor nor a multiple of
// the number of KV heads, or no divisor of intermediate_size; and a rank that is not below tp_size.
outcome<shard_plan> plan_shard(const model_config& config, std::uint32_t tp_size,
                               std::uint32_t rank);

// Elements of weights that one rank holds, padding included: all layers, norms, embedding, LM head.
// A tied LM head is counted with tp_size > 1 alone, where it is a slice of its own.
std::uint64_t count_shard_elements(const model_config& config, const shard_plan& plan);
// Bytes of K and V for one page on one rank, all layers.
std::uint64_t kv_page_bytes(const model_config& config, const shard_plan& plan,
                            std::uint32_t element_bytes);

// A rank's linear weight, [num_rows, num_cols] row-major, gathered from checkpoint tensors when it
// is copied out. A packer reads it row by row, in any order, from several threads if it likes.
// Refers to the checkpoint's bytes: model_weights::storage must outlive it.
class linear_slice {
 public:
  // `count` rows from `first` of a weight and, for a layer that has one, of its bias.
  struct row_run {
    std::uint32_t count = 0;
    std::uint32_t first = 0;
    std::optional<host_tensor> weight;  // none: rows of zeros
    std::optional<host_tensor> bias;
  };
  // `count` columns from `first` of every row; none: columns of zeros.
  struct col_run {
    std::uint32_t count = 0;
    std::optional<std::uint32_t> first;
  };
  linear_slice(std::vector<row_run> rows, std::vector<col_run> cols);

  std::uint32_t num_rows() const { return num_rows_; }
  std::uint32_t num_cols() const { return num_cols_; }
  bool has_bias() const { return has_bias_; }
  // Rows first .. first + count - 1 into out[count * num_cols()].
  void copy_rows(std::uint32_t first, std::uint32_t count, std::span<float> out) const;
  void copy_rows(std::uint32_t first, std::uint32_t count, std::span<bfloat16> out) const;
  // Whether every weight is of integers of that many bits, and no group of 128 columns mixes
  // groups.
  bool has_integers(std::uint32_t bits) const;
  // Only for a slice that has them.
  void copy_integers(std::uint32_t row, integer_row& out) const;
  // Whether every group of 128 columns is a part of one group of `size` inputs; 0: all are one.
  bool keeps_groups(std::uint32_t size) const;
  // The whole bias into out[num_rows()]; zero where a row has none.
  void copy_bias(std::span<float> out) const;

 private:
  template <class Element>
  void copy_row(std::uint32_t row, std::span<Element> out) const;
  // Calls piece(column, source column, count) for neighbours that stand in one group of 128 here.
  template <class Piece>
  void for_each_piece(const Piece& piece) const;
  void fill_padding(integer_row& out) const;

  std::vector<row_run> rows_;
  std::vector<col_run> cols_;
  std::uint32_t num_rows_ = 0;
  std::uint32_t num_cols_ = 0;
  bool has_bias_ = false;
};

// [(num_q_heads + 2 * num_kv_heads) * head_dim, hidden] with bias: q rows, k rows, v rows.
linear_slice qkv_slice(const shard_plan& plan, const layer_weights& layer);
// [hidden, num_q_heads * head_dim]
linear_slice o_slice(const shard_plan& plan, const layer_weights& layer);
// [2 * intermediate.size(), hidden]: gate rows, then up rows.
linear_slice gate_up_slice(const shard_plan& plan, const layer_weights& layer);
// [hidden, intermediate.size()]
linear_slice down_slice(const shard_plan& plan, const layer_weights& layer);
// [vocab_per_rank, hidden]
linear_slice lm_head_slice(const shard_plan& plan, const model_weights& weights);

}  // namespace troupe
