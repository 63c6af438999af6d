// The CUDA kernels as functions: every operation of model/device.hpp that is not cuBLASLt's or
// NCCL's. No CUDA type stands here but the opaque stream, so that plain C++ includes it; tests run
// the same sources without a GPU by an emulator.
//
// Every pointer is device memory unless it says otherwise, aligned to 16 bytes; matrices are
// row-major and without gaps unless a stride is given. A call enqueues and returns; it allocates
// nothing, waits for nothing and can be captured into a graph. Zero rows are no launch and no
// error. A shape that a kernel cannot do is invalid_value, and nothing was launched.
//
// A row's result is a function of that row and of shapes that the model fixes: never of num_rows.
// Reductions run in an order fixed by the row, so the same call gives the same bits every time.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/numeric.hpp"
#include "cuda/attention_plan.hpp"
#include "cuda/kv_format.hpp"
#include "cuda/sampling_state.hpp"

struct CUstream_st;  // what a cudaStream_t points to

namespace troupe::cuda {

using cuda_stream = CUstream_st*;  // a cudaStream_t

// The values of cudaError_t, as the launch itself reported it; errors that come later, within the
// kernel, are the stream's.
enum class [[nodiscard]] launch_error : int{none = 0, invalid_value = 1};

// The type of weights and activations, and of KV pages unless they are told otherwise.
using bf16 = bfloat16;

inline constexpr std::uint32_t max_ranks = 8;

// --- Rows ---------------------------------------------------------------------------------------

// What a kernel writes of a step that must not be believed; the last one stays.
enum class device_fault : std::uint32_t { none, unknown_token, no_numbers };

struct embed_args {
  const bf16* table = nullptr;                // [vocab_size, width], or null and
  const std::int8_t* bytes = nullptr;         // [vocab_size, width] with
  const float16* scales = nullptr;            // [vocab_size, num_groups(width)]
  const std::int32_t* tokens = nullptr;       // [num_rows]; last_sampled: next_tokens[slots[row]]
  const std::uint32_t* slots = nullptr;       // [num_rows]
  const std::int32_t* next_tokens = nullptr;  // [num_slots], written by sample or store_samples
  bf16* out = nullptr;                        // [num_rows, width]
  // [1]: becomes unknown_token where a token is outside the vocabulary; its row becomes zeros.
  device_fault* fault = nullptr;
  std::uint32_t num_rows = 0;
  std::uint32_t width = 0;  // a multiple of 8; of 16 with bytes
  std::uint32_t vocab_size = 0;
};
launch_error embed(const embed_args& args, cuda_stream stream);

struct add_rms_norm_args {
  const bf16* addend = nullptr;   // [.., width]; null: residual stays as it is
  bf16* residual = nullptr;       // [.., width], becomes residual + addend, rounded
  const float* weight = nullptr;  // [width]
  // [num_rows]: out[i] is made of row rows[i] of addend and residual; null: of row i. Each row
  // stands there once.
  const std::uint32_t* rows = nullptr;
  bf16* out = nullptr;  // [num_rows, width]: residual / sqrt(mean(residual^2) + eps) * weight
  std::uint32_t num_rows = 0;
  std::uint32_t width = 0;  // a multiple of 8, at most 8192
  float eps = 0;
};
launch_error add_rms_norm(const add_rms_norm_args& args, cuda_stream stream);

struct silu_mul_args {
  const bf16* gate_up = nullptr;  // [num_rows, 2 * width]: gate, up
  bf16* out = nullptr;            // [num_rows, width]: gate / (1 + exp(-gate)) * up
  std::uint32_t num_rows = 0;
  std::uint32_t width = 0;  // a multiple of 8
};
launch_error silu_mul(const silu_mul_args& args, cuda_stream stream);

// --- Linear layers of few rows ------------------------------------------------------------------

inline constexpr std::uint32_t max_skinny_rows = 8;

struct skinny_linear_args {
  const bf16* x = nullptr;         // [num_rows, in_features]
  const bf16* weights = nullptr;   // [out_features, in_features]
  const float* bias = nullptr;     // [out_features]; null: none
  const bf16* addend = nullptr;    // [num_rows, out_features], added before rounding; may be out
  bf16* out = nullptr;             // [num_rows, out_features] = x * weights^T + bias + addend,
  float* out_float32 = nullptr;    // or this instead of out: the logits
  std::uint32_t num_rows = 0;      // at most max_skinny_rows
  std::uint32_t in_features = 0;   // a multiple of 8
  std::uint32_t out_features = 0;  // a multiple of 2
};
launch_error skinny_linear(const skinny_linear_args& args, cuda_stream stream);

// Weights of int8, in groups of model/integer_groups.hpp without zero points: weight k of a row is
// its byte times scales[k / group_size].
inline constexpr std::uint32_t max_byte_linear_rows = 64;
struct byte_linear_args {
  const bf16* x = nullptr;               // [num_rows, in_features]
  const std::int8_t* weights = nullptr;  // [out_features, in_features]
  const float16* scales = nullptr;       // [out_features, num_groups(in_features)]
  const float* bias = nullptr;           // [out_features]; null: none
  bf16* out = nullptr;                   // [num_rows, out_features] = x * weights^T + bias,
  float* out_float32 = nullptr;          // or this instead of out: the logits
  std::uint32_t num_rows = 0;            // at most max_byte_linear_rows
  std::uint32_t in_features = 0;         // a multiple of 16
  std::uint32_t out_features = 0;
};
launch_error byte_linear(const byte_linear_args& args, cuda_stream stream);

// The same weights as bfloat16, rounded: for multiplications with more rows.
struct expand_weights_args {
  const std::int8_t* weights = nullptr;  // [num_rows, in_features]
  const float16* scales = nullptr;       // [num_rows, num_groups(in_features)]
  bf16* out = nullptr;                   // [num_rows, in_features]
  std::uint32_t num_rows = 0;
  std::uint32_t in_features = 0;  // a multiple of 16
};
launch_error expand_weights(const expand_weights_args& args, cuda_stream stream);

// --- Attention ----------------------------------------------------------------------------------

struct head_shape {
  std::uint32_t num_q_heads = 0;   // num_kv_heads times 1 to 8
  std::uint32_t num_kv_heads = 0;  // query head h attends with KV head h / (q heads / KV heads)
  std::uint32_t head_dim = 0;      // 64 or 128
};

// One layer's keys and values, each [num_pages, num_kv_heads] of head_page_bytes.
struct kv_pages {
  std::byte* keys = nullptr;
  std::byte* values = nullptr;
  kv_format format = kv_format::bf16;
  std::uint32_t num_pages = 0;  // only wgmma_prefill_attention asks
};

// cos and sin of every position, [num_positions, head_dim / 2] each: see model/rope.hpp.
struct rope_tables {
  const float* cos = nullptr;
  const float* sin = nullptr;
};

struct rope_kv_write_args {
  bf16* qkv = nullptr;  // [num_rows, (q heads + 2 * KV heads) * head_dim]; only q is changed
  const std::uint32_t* positions = nullptr;  // [num_rows]
  const std::uint8_t* ropes = nullptr;       // [num_rows]: rope_kind, the index into tables
  // [num_rows]: page * page_size_tokens + place of the row's key and value; -1: a padding row,
  // which writes no page.
  const std::int32_t* kv_places = nullptr;
  rope_tables tables[2];  // of rope_kind::plain and rope_kind::scaled
  kv_pages pages;
  head_shape heads;
  std::uint32_t num_rows = 0;
};
launch_error rope_kv_write(const rope_kv_write_args& args, cuda_stream stream);

// What both kinds of attention read and write. The step's keys and values are in the pages already.
struct attention_args {
  const bf16* qkv = nullptr;  // [rows, qkv_stride], q heads first
  std::uint32_t qkv_stride = 0;
  kv_pages pages;
  const std::uint32_t* page_table = nullptr;  // of the step, all chunks back to back
  bf16* out = nullptr;                        // [rows, num_q_heads * head_dim]
  head_shape heads;
};

// Rows that are alone in their chunk, by parts of their context (cuda/attention_plan.hpp). Parts
// write partial sums, a second kernel combines them; a row of one part is done by the first.
struct decode_attention_args {
  attention_args attention;
  const decode_part* parts = nullptr;  // [num_parts]; num_pages 0: a padding part
  const decode_row* rows = nullptr;    // [num_rows]; num_parts 0 or 1: nothing to combine
  std::uint32_t num_parts = 0;
  std::uint32_t num_rows = 0;
  float* partial_sums = nullptr;   // [num_parts, num_q_heads, head_dim], written and read again
  float* partial_scale = nullptr;  // [num_parts, num_q_heads, 2]: the maximum in log2, the sum
};
launch_error decode_attention(const decode_attention_args& args, cuda_stream stream);

// Rows of longer chunks, by tiles: row i of a chunk sees positions 0 .. first_position + i.
struct prefill_attention_args {
  attention_args attention;
  const prefill_tile* tiles = nullptr;  // [num_tiles]; num_rows 0: a padding tile
  std::uint32_t num_tiles = 0;
};
launch_error prefill_attention(const prefill_attention_args& args, cuda_stream stream);
// The same for GPUs of compute capability 9.0 alone and pages of bfloat16, whose addresses are
// multiples of 16 and whose num_pages is said: by warpgroups. Equal up to rounding, and of the same
// promise: a row's bits are those that it has in a chunk of any length.
launch_error wgmma_prefill_attention(const prefill_attention_args& args, cuda_stream stream);
using prefill_launch = launch_error (*)(const prefill_attention_args& args, cuda_stream stream);

struct page_copy {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};

// Copies pages of keys, or of values, in every layer. Source and target may be different pools, one
// of them pinned host memory that the device reaches. No page is both copied and written.
struct copy_pages_args {
  const void* from = nullptr;  // [num_layers] of from_layer_bytes
  void* to = nullptr;          // [num_layers] of to_layer_bytes
  std::uint64_t from_layer_bytes = 0;
  std::uint64_t to_layer_bytes = 0;
  std::uint32_t page_bytes = 0;      // of one layer: a multiple of 16
  const page_copy* pages = nullptr;  // [num_pages]
  std::uint32_t num_pages = 0;
  std::uint32_t num_layers = 0;
};
launch_error copy_pages(const copy_pages_args& args, cuda_stream stream);

// --- Sampling -----------------------------------------------------------------------------------

// Rows of one slot, which stand side by side: the first is sampled; each other one only if the
// choice before it is the token that this row was computed for (a draft).
struct sample_group {
  std::uint32_t slot = 0;
  std::uint32_t first_row = 0;
  std::uint32_t num_rows = 0;  // 0: a padding group
};

struct chosen_token {
  std::int32_t token = -1;  // not_sampled behind a wrong draft
  float logprob = 0;        // 0 where the slot asked for none
};
inline constexpr std::int32_t not_sampled = -1;

struct likely_token {
  std::int32_t token = 0;
  float logprob = 0;
};

struct sample_args {
  // [num_ranks, num_rows, columns_per_rank]: rank r's columns follow rank r-1's.
  const float* logits = nullptr;
  std::uint32_t num_ranks = 1;
  std::uint32_t num_rows = 0;
  std::uint32_t columns_per_rank = 0;
  std::uint32_t num_tokens = 0;  // ids that the tokenizer knows, of num_ranks * columns_per_rank
  const sample_group* groups = nullptr;  // [num_groups], at most one of a slot
  std::uint32_t num_groups = 0;
  const std::int32_t* tokens = nullptr;       // of the step's rows
  const std::uint32_t* logit_rows = nullptr;  // [num_rows]: the row of the step
  // [num_rows]: which of masks, no_mask: none. masks: [.., mask_words(num_tokens)].
  const std::uint32_t* mask_indices = nullptr;
  const std::uint32_t* masks = nullptr;
  std::int32_t first_eos = -1;  // what a row gets in which nothing is possible; -1: there is none
  // [1]: becomes no_numbers where that is so because logits are NaN; null: not written.
  device_fault* fault = nullptr;
  sampling_slot* slots = nullptr;       // [num_slots], read and advanced
  std::int32_t* next_tokens = nullptr;  // [num_slots]: the slot's last choice; null: not written
  chosen_token* chosen = nullptr;       // [num_rows]
  likely_token* most_likely = nullptr;  // [num_rows, max_logprobs], as many as the slot asked for
  std::uint32_t max_logprobs = 0;
  // [num_scratch_rows] of sample_scratch_bytes(num_tokens): so many groups run at once. What is
  // chosen does not depend on it.
  void* scratch = nullptr;
  std::uint32_t num_scratch_rows = 0;  // at least 1
};
std::size_t sample_scratch_bytes(std::uint32_t num_tokens);
// The same tokens as model/sampler.hpp chooses, bit for bit, for the same logits and slots;
// logprobs within 1e-5 of its.
launch_error sample(const sample_args& args, cuda_stream stream);

// next_tokens[slots[i]] = chosen[i], where something was sampled: the ranks that did not sample.
struct store_samples_args {
  const chosen_token* chosen = nullptr;  // [num_rows]
  const std::uint32_t* slots = nullptr;  // [num_rows], rows of one slot side by side
  std::int32_t* next_tokens = nullptr;   // [num_slots]
  std::uint32_t num_rows = 0;
};
launch_error store_samples(const store_samples_args& args, cuda_stream stream);

// --- Sums over ranks ----------------------------------------------------------------------------

// Ranks that share one device: the caller orders the streams by events, so nothing waits in here.
// Every rank's buffer becomes the sum in rank order, in float32, rounded once.
struct sum_ranks_args {
  bf16* ranks[max_ranks] = {};  // [num_ranks] of [count]
  std::uint32_t num_ranks = 0;
  std::uint64_t count = 0;  // a multiple of 8
};
launch_error sum_ranks(const sum_ranks_args& args, cuda_stream stream);

// The same between devices with peer access, each of which launches it: one kernel that waits for
// its peers. Memory of every rank, mapped into each process that takes part:
inline constexpr std::uint32_t max_peer_blocks = 32;
struct peer_memory {
  bf16* staging[max_ranks] = {};            // rank r's [2, peer_staging_elements]
  std::uint32_t* arrivals[max_ranks] = {};  // rank r's [max_ranks, max_peer_blocks], zero at first
};
// How often data crosses between devices. Of a message of n bytes one shot moves (ranks - 1) * n to
// each rank, with one meeting; two shots move 2 * n * (ranks - 1) / ranks, with two. By size: one
// up to one_shot_bytes or two ranks, which gain nothing.
enum class peer_shots : std::uint8_t { by_size, one, two };
inline constexpr std::uint64_t one_shot_bytes = 256U << 10U;
// Longer messages are better left to a ring.
inline constexpr std::uint64_t two_shot_bytes = 8U << 20U;
inline constexpr std::uint32_t max_peer_width = 8192;
struct peer_all_reduce_args {
  peer_memory peers;
  std::uint32_t num_ranks = 0;
  std::uint32_t rank = 0;
  // This rank's own [max_peer_blocks], zero at first: how often each block has run, twice.
  std::uint32_t* epochs = nullptr;
  std::uint64_t staging_elements =
      0;  // at least num_rows * width, of which every call has the same
  // A word that every device reaches, also the host's: not 0 when the peers are not to be waited
  // for any more, and the results mean nothing. Null: they always are.
  const std::uint32_t* abandoned = nullptr;
  bf16* x = nullptr;             // [num_rows, width], becomes the sum; null with residual
  const bf16* addend = nullptr;  // [num_rows, width], this rank's share; may be x
  // With a residual: residual += sum, normed = its RMS norm, as add_rms_norm does, and x is unused.
  bf16* residual = nullptr;
  const float* weight = nullptr;
  bf16* normed = nullptr;
  float eps = 0;
  std::uint32_t num_rows = 0;
  std::uint32_t width = 0;  // a multiple of 8, at most max_peer_width
  peer_shots shots = peer_shots::by_size;
};
launch_error peer_all_reduce(const peer_all_reduce_args& args, cuda_stream stream);

}  // namespace troupe::cuda
