// One block samples the rows of one slot, one after the other: what model/sampler.hpp says, step by
// step. Without fused multiply-add, so that every float has the bits it has there.
#if !defined(TROUPE_SIMT) && !defined(TROUPE_NO_FMAD)
#error "compile with -fmad=false, as src/cuda/kernels/meson.build does"
#endif
#include "core/batch.hpp"
#include "cuda/kernels/token_draw.cuh"
#include "model/philox.hpp"
#include "model/token_choice.hpp"

namespace troupe::cuda {
namespace {

constexpr float impossible = -__builtin_inff();

struct sample_memory {
  draw_memory draw;
  reduce_memory<u64> reduce;
  reduce_memory<double> sums;
  sampling_slot slot;
  std::uint32_t use_is_found;
};

// A row's logits and what may be chosen of them.
struct row_view {
  const float* logits;  // of rank 0
  std::size_t rank_stride;
  std::uint32_t num_ranks;
  std::uint32_t columns;      // of a rank
  const std::uint32_t* mask;  // null: all

  __device__ float raw(std::uint32_t token) const {
    if (num_ranks == 1) return logits[token];
    return logits[token / columns * rank_stride + token % columns];
  }
  __device__ float masked(std::uint32_t token) const {
    const bool is_allowed = mask == nullptr || (mask[token / 32] >> (token % 32) & 1U) != 0;
    return is_allowed ? raw(token) : impossible;
  }
};

__device__ row_view view_row(const sample_args& args, std::uint32_t row) {
  const std::uint32_t mask = args.mask_indices != nullptr ? args.mask_indices[row] : no_mask;
  return {args.logits + static_cast<std::size_t>(row) * args.columns_per_rank,
          static_cast<std::size_t>(args.num_rows) * args.columns_per_rank, args.num_ranks,
          args.columns_per_rank,
          mask == no_mask
              ? nullptr
              : args.masks + static_cast<std::size_t>(mask) * divide_up(args.num_tokens, 32U)};
}

// Highest logit first, lowest id first among equals; NaN below all.
__device__ __forceinline__ u64 rank_of(float logit, std::uint32_t token) {
  const u64 order = logit == logit ? order_of(logit) : 0;
  return order << 32U | (~token & 0xFFFFFFFFU);
}
__device__ __forceinline__ std::uint32_t token_of(u64 rank) {
  return ~static_cast<std::uint32_t>(rank);
}
__device__ __forceinline__ float logit_of_rank(u64 rank) {
  const auto order = static_cast<std::uint32_t>(rank >> 32U);
  return order == 0 ? impossible : logit_of(order);
}

// The highest rank below `bound` of tokens 0 .. count - 1.
template <class Value>
__device__ u64 highest_rank(std::uint32_t count, u64 bound, const Value& value,
                            reduce_memory<u64>& memory) {
  u64 best = 0;
  for (std::uint32_t i = threadIdx.x; i < count; i += full_threads) {
    const u64 rank = rank_of(value(i), i);
    if (rank < bound && rank > best) best = rank;
  }
  return block_reduce(best, take_highest{}, memory);
}

// --- Adjustments: steps 2 to 5 of model/sampler.hpp ---------------------------------------------

__device__ bool is_adjusted(const sampling_slot& slot) {
  const bool forbids = slot.num_outputs < slot.min_tokens && slot.num_impossible > 0;
  return slot.num_biases > 0 || forbids || slot.num_uses > 0;
}

// A token may stand there more than once, and sums depend on their order: the thread that has its
// first bias adds all of them.
__device__ void add_biases(const sampling_slot& slot, float* logits) {
  for (std::uint32_t i = threadIdx.x; i < slot.num_biases; i += full_threads) {
    const std::int32_t token = slot.biases[i].token;
    bool is_first = true;
    for (std::uint32_t j = 0; j < i; ++j) is_first = is_first && slot.biases[j].token != token;
    if (!is_first) continue;
    float logit = logits[token];
    for (std::uint32_t j = i; j < slot.num_biases; ++j) {
      if (slot.biases[j].token == token) logit += slot.biases[j].bias;
    }
    logits[token] = logit;
  }
}

__device__ float penalised(const sampling_slot& slot, std::uint32_t num_outputs, float logit) {
  if (logit > 0) {
    logit /= slot.repetition_penalty;
  } else {
    logit *= slot.repetition_penalty;
  }
  if (num_outputs == 0) return logit;
  logit -= slot.presence_penalty;
  logit -= slot.frequency_penalty * static_cast<float>(num_outputs);
  return logit;
}

__device__ void adjust(const row_view& row, const sampling_slot& slot, std::uint32_t num_tokens,
                       float* logits) {
  for (std::uint32_t i = threadIdx.x; i < num_tokens; i += full_threads) logits[i] = row.masked(i);
  __syncthreads();
  add_biases(slot, logits);
  __syncthreads();
  if (slot.num_outputs < slot.min_tokens) {
    for (std::uint32_t i = threadIdx.x; i < slot.num_impossible; i += full_threads) {
      logits[slot.impossible[i]] = impossible;
    }
  }
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < slot.num_uses; i += full_threads) {
    const token_use use = slot.uses[i];
    const bool is_known = use.token >= 0 && static_cast<std::uint32_t>(use.token) < num_tokens;
    if (is_known) logits[use.token] = penalised(slot, use.num_outputs, logits[use.token]);
  }
  __syncthreads();
}

// --- The choice ---------------------------------------------------------------------------------

// What a row gets in which nothing is possible.
__device__ std::uint32_t last_resort(const sample_args& args, const row_view& row,
                                     std::uint32_t chosen, sample_memory& memory) {
  // The lowest bit of the mask, as the highest rank of ones among zeros.
  if (row.mask != nullptr) {
    const u64 best = highest_rank(
        divide_up(args.num_tokens, 32U), ~0ULL,
        [&](std::uint32_t word) { return row.mask[word] != 0 ? 1.0F : 0.0F; }, memory.reduce);
    const std::uint32_t word = token_of(best);
    if (row.mask[word] != 0) {
      return word * 32 + static_cast<std::uint32_t>(__ffs(static_cast<int>(row.mask[word]))) - 1;
    }
  }
  return args.first_eos >= 0 ? static_cast<std::uint32_t>(args.first_eos) : chosen;
}

__device__ void look_for_nan(const sample_args& args, const row_view& row) {
  if (args.fault == nullptr) return;
  const std::uint32_t count = row.num_ranks * row.columns;
  for (std::uint32_t i = threadIdx.x; i < count; i += full_threads) {
    const float logit = row.raw(i);
    if (logit != logit) *args.fault = device_fault::no_numbers;
  }
}

template <class Value>
__device__ std::uint32_t choose(const sample_args& args, const row_view& row,
                                const candidate_list& list, const Value& value,
                                sample_memory& memory) {
  const sampling_slot& slot = memory.slot;
  const u64 best = highest_rank(args.num_tokens, ~0ULL, value, memory.reduce);
  const float highest = logit_of_rank(best);
  if (!(highest > impossible)) {
    look_for_nan(args, row);
    return last_resort(args, row, token_of(best), memory);
  }
  const bool is_greedy = !(slot.temperature >= greedy_temperature);
  if (is_greedy || highest == -impossible) return token_of(best);
  token_draw draw(list, {highest, 1.0F / slot.temperature}, memory.draw);
  draw.gather(args.num_tokens, value);
  draw_threshold kept;
  if (slot.top_k > 0 && static_cast<std::uint32_t>(slot.top_k) < args.num_tokens) {
    kept = draw.find_top_k(static_cast<std::uint32_t>(slot.top_k));
  }
  if (slot.top_p < 1.0F) kept = draw.find_top_p(slot.top_p, kept);
  const std::uint32_t least = slot.min_p > 0.0F ? least_mass(slot.min_p) : 0;
  return draw.pick(kept, least, random_bits(slot.seed, slot.position));
}

// --- Logprobs: of the raw logits ----------------------------------------------------------------

__device__ void add_logprobs(const sample_args& args, const row_view& row, std::uint32_t row_idx,
                             std::uint32_t token, sample_memory& memory) {
  const std::uint32_t count = row.num_ranks * row.columns;
  const auto raw = [&](std::uint32_t i) { return row.raw(i); };
  const u64 best = highest_rank(count, ~0ULL, raw, memory.reduce);
  const float highest = logit_of_rank(best);
  double log_sum = highest;
  if (highest > impossible && highest < -impossible) {
    double sum = 0;
    for (std::uint32_t i = threadIdx.x; i < count; i += full_threads) {
      sum += static_cast<double>(exponential(row.raw(i) - highest));
    }
    log_sum += log(block_reduce(sum, take_sum{}, memory.sums));
  }
  if (threadIdx.x == 0) {
    args.chosen[row_idx].logprob =
        static_cast<float>(static_cast<double>(row.raw(token)) - log_sum);
  }
  const auto num_wanted = static_cast<std::uint32_t>(memory.slot.num_logprobs);
  u64 bound = ~0ULL;
  for (std::uint32_t i = 0; i < num_wanted && i < args.max_logprobs; ++i) {
    bound = highest_rank(count, bound, raw, memory.reduce);
    const bool is_there = bound >> 32U != 0;
    if (threadIdx.x != 0) continue;
    likely_token& entry =
        args.most_likely[static_cast<std::size_t>(row_idx) * args.max_logprobs + i];
    entry.token = is_there ? static_cast<std::int32_t>(token_of(bound)) : not_sampled;
    entry.logprob =
        is_there ? static_cast<float>(static_cast<double>(logit_of_rank(bound)) - log_sum) : 0.0F;
  }
}

// --- The slot goes on ---------------------------------------------------------------------------

__device__ void count_use(sample_memory& memory, std::int32_t token) {
  if (threadIdx.x == 0) memory.use_is_found = 0;
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < memory.slot.num_uses; i += full_threads) {
    if (memory.slot.uses[i].token != token) continue;
    ++memory.slot.uses[i].num_outputs;
    memory.use_is_found = 1;
  }
  __syncthreads();
  if (threadIdx.x != 0 || memory.use_is_found != 0) return;
  if (memory.slot.num_uses == memory.slot.max_uses) return;
  memory.slot.uses[memory.slot.num_uses++] = {token, 1};
}

__device__ void sample_row(const sample_args& args, std::uint32_t row_idx,
                           const candidate_list& list, sample_memory& memory) {
  const row_view row = view_row(args, row_idx);
  std::uint32_t token = 0;
  if (is_adjusted(memory.slot)) {
    adjust(row, memory.slot, args.num_tokens, list.logits);
    token = choose(
        args, row, list, [&](std::uint32_t i) { return list.logits[i]; }, memory);
  } else {
    token = choose(
        args, row, list, [&](std::uint32_t i) { return row.masked(i); }, memory);
  }
  if (threadIdx.x == 0) args.chosen[row_idx] = {static_cast<std::int32_t>(token), 0.0F};
  if (memory.slot.num_logprobs >= 0) add_logprobs(args, row, row_idx, token, memory);
  if (memory.slot.counts_uses != 0) count_use(memory, static_cast<std::int32_t>(token));
  if (threadIdx.x == 0) {
    ++memory.slot.position;
    ++memory.slot.num_outputs;
  }
  __syncthreads();
}

// Row after row while the choice is the draft that the next row was computed for.
__device__ void sample_group_rows(const sample_args& args, const sample_group& group,
                                  const candidate_list& list, sample_memory& memory) {
  __syncthreads();
  if (threadIdx.x == 0) memory.slot = args.slots[group.slot];
  for (std::uint32_t i = threadIdx.x; i < group.num_rows; i += full_threads) {
    args.chosen[group.first_row + i] = {};
  }
  __syncthreads();
  for (std::uint32_t i = 0; i < group.num_rows; ++i) {
    const std::uint32_t row = group.first_row + i;
    sample_row(args, row, list, memory);
    const std::int32_t token = args.chosen[row].token;
    if (threadIdx.x == 0 && args.next_tokens != nullptr) args.next_tokens[group.slot] = token;
    if (i + 1 < group.num_rows && token != args.tokens[args.logit_rows[row + 1]]) break;
  }
  if (threadIdx.x == 0) args.slots[group.slot] = memory.slot;
}

constexpr std::uint32_t segment_tokens(std::uint32_t num_tokens) {
  return divide_up(num_tokens, full_threads) * warp_size;
}

__global__ void __launch_bounds__(full_threads)
    sample_groups(const __grid_constant__ sample_args args) {
  auto& memory = block_memory_as<sample_memory>();
  const std::uint32_t segment = segment_tokens(args.num_tokens);
  const std::size_t list_size = static_cast<std::size_t>(segment) * full_warps;
  auto* scratch = static_cast<std::byte*>(args.scratch) +
                  blockIdx.x * list_size * (sizeof(float) + sizeof(std::uint16_t));
  auto* logits = reinterpret_cast<float*>(scratch);
  const candidate_list list{logits, reinterpret_cast<std::uint16_t*>(logits + list_size), segment};
  for (std::uint32_t g = blockIdx.x; g < args.num_groups; g += gridDim.x) {
    if (args.groups[g].num_rows > 0) sample_group_rows(args, args.groups[g], list, memory);
  }
}

// --- Samples of other ranks ---------------------------------------------------------------------

constexpr unsigned store_threads = 128;

// A slot's last sample is the one that no sample of the same slot follows.
__global__ void __launch_bounds__(store_threads) store_row(const store_samples_args args) {
  const std::uint32_t row = blockIdx.x * store_threads + threadIdx.x;
  if (row >= args.num_rows || args.chosen[row].token == not_sampled) return;
  const bool is_followed = row + 1 < args.num_rows && args.slots[row + 1] == args.slots[row] &&
                           args.chosen[row + 1].token != not_sampled;
  if (!is_followed) args.next_tokens[args.slots[row]] = args.chosen[row].token;
}

}  // namespace

std::size_t sample_scratch_bytes(std::uint32_t num_tokens) {
  return static_cast<std::size_t>(segment_tokens(num_tokens)) * full_warps *
         (sizeof(float) + sizeof(std::uint16_t));
}

launch_error sample(const sample_args& args, cuda_stream stream) {
  const std::uint64_t num_columns = std::uint64_t{args.num_ranks} * args.columns_per_rank;
  if (args.num_groups == 0) return launch_error::none;
  if (args.num_tokens == 0 || args.num_tokens > num_columns || args.num_scratch_rows == 0 ||
      segment_tokens(args.num_tokens) > 65536) {
    return launch_error::invalid_value;
  }
  const std::uint32_t blocks =
      args.num_groups < args.num_scratch_rows ? args.num_groups : args.num_scratch_rows;
  return launch(sample_groups, {blocks, 1, 1}, {full_threads, 1, 1}, sizeof(sample_memory), stream,
                args);
}

launch_error store_samples(const store_samples_args& args, cuda_stream stream) {
  if (args.num_rows == 0) return launch_error::none;
  return launch(store_row, {divide_up(args.num_rows, store_threads), 1, 1}, {store_threads, 1, 1},
                0, stream, args);
}

}  // namespace troupe::cuda
