// Draws one of a row's candidates, without a sort: integers decide, so the order in which threads
// come does not. What is kept and drawn is defined by model/token_choice.hpp.
//
// A warp owns a segment of the vocabulary and keeps its candidates, those whose mass may not be
// zero, at the start of the segment, in the order of their ids.
#pragma once
#include "cuda/kernels/block_reduce.cuh"
#include "model/token_mass.hpp"

namespace troupe::cuda {

inline constexpr unsigned num_digits = 2 * full_threads;

struct candidate_list {
  float* logits;           // [full_warps * segment]
  std::uint16_t* offsets;  // [full_warps * segment]: the token's place in its segment
  std::uint32_t segment;   // tokens of a warp, a multiple of 32
};

struct draw_memory {
  u64 digit_weights[num_digits];
  reduce_memory<u64> reduce;
  std::uint32_t counts[full_warps];  // candidates of each warp
  u64 below;                         // what find_digit found
  std::uint32_t digit;
  std::uint32_t token;
};

// Ascends with the logit; equal for equal ones, +0 and -0. Not for NaN.
__device__ __forceinline__ std::uint32_t order_of(float logit) {
  const std::uint32_t bits = bits_of(logit == 0.0F ? 0.0F : logit);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

__device__ __forceinline__ float logit_of(std::uint32_t order) {
  return float_of((order & 0x80000000U) != 0 ? order & 0x7FFFFFFFU : ~order);
}

// What the filters keep: all that is not below this one, by logit and then by id.
struct draw_threshold {
  std::uint32_t order = 0;
  std::uint32_t token = 0;
  __device__ bool keeps(std::uint32_t of_logit, std::uint32_t of_token) const {
    return of_logit > order || (of_logit == order && of_token >= token);
  }
};

// One candidate as the loops below see it.
struct drawn_candidate {
  float exponent;
  std::uint32_t order;
  std::uint32_t token;
  __device__ std::uint32_t mass() const { return token_mass(exponent); }
};

class token_draw {
 public:
  __device__ token_draw(const candidate_list& list, exponent_of exponent, draw_memory& memory)
      : list_(list),
        exponent_(exponent),
        memory_(memory),
        warp_(threadIdx.x / warp_size),
        lane_(threadIdx.x % warp_size) {}

  // A warp's share of the row, value(token) being its logit: the list's own values or others.
  template <class Value>
  __device__ void gather(std::uint32_t num_tokens, const Value& value) {
    const std::uint32_t first = warp_ * list_.segment;
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < list_.segment && first + i < num_tokens; i += warp_size) {
      const std::uint32_t token = first + i + lane_;
      const float logit = token < num_tokens ? value(token) : -__builtin_inff();
      const bool is_candidate = exponent_(logit) > lowest_exponent;
      const std::uint32_t votes = __ballot_sync(full_mask, is_candidate);
      // Never ahead of what is read: the list may be made where the values stand.
      if (is_candidate) {
        const auto lower = static_cast<std::uint32_t>(__popc(votes & ((1U << lane_) - 1)));
        list_.logits[first + count + lower] = logit;
        list_.offsets[first + count + lower] = static_cast<std::uint16_t>(i + lane_);
      }
      count += static_cast<std::uint32_t>(__popc(votes));
      __syncwarp();
    }
    if (lane_ == 0) memory_.counts[warp_] = count;
    __syncthreads();
  }

  // Leaves the k highest and those equal to the last of them.
  __device__ draw_threshold find_top_k(std::uint32_t k) {
    const u64 count = total([](const drawn_candidate&) -> u64 { return 1; });
    if (count <= k) return {};
    u64 below = 0;
    const auto one = [](const drawn_candidate&) -> u64 { return 1; };
    return {find_order(one, count - k, below), 0};
  }

  __device__ draw_threshold find_top_p(float top_p, draw_threshold kept) {
    const auto mass = [kept](const drawn_candidate& c) -> u64 {
      return kept.keeps(c.order, c.token) ? c.mass() : 0;
    };
    const u64 all = total(mass);
    u64 limit = removable_mass(top_p, all);
    if (limit >= all) limit = all - 1;  // the most likely one always stays
    u64 below = 0;
    const std::uint32_t order = find_order(mass, limit, below);
    // Equals have equal masses. So many of them go, the lower ids first.
    const u64 num_gone = (limit - below) / token_mass(exponent_(logit_of(order)));
    return {order, find_equal(order, kept, num_gone)};
  }

  // The token at which the running sum of kept masses passes random / 2^64 of their total.
  __device__ std::uint32_t pick(draw_threshold kept, std::uint32_t least, u64 random) {
    const auto mass = [kept, least](const drawn_candidate& c) -> u64 {
      const std::uint32_t m = kept.keeps(c.order, c.token) ? c.mass() : 0;
      return m >= least ? m : 0;
    };
    const u64 target = __umul64hi(random, total(mass));
    return find_token(mass, target);
  }

 private:
  __device__ drawn_candidate at(std::uint32_t i) const {
    const std::uint32_t place = warp_ * list_.segment + i;
    const float logit = list_.logits[place];
    return {exponent_(logit), order_of(logit), warp_ * list_.segment + list_.offsets[place]};
  }

  // The warp's sum of weights.
  template <class Weight>
  __device__ u64 warp_total(const Weight& weight) const {
    u64 sum = 0;
    for (std::uint32_t i = lane_; i < memory_.counts[warp_]; i += warp_size) sum += weight(at(i));
    return warp_reduce(sum, take_sum{});
  }

  template <class Weight>
  __device__ u64 total(const Weight& weight) {
    const u64 sum = warp_total(weight);
    return block_reduce(lane_ == 0 ? sum : 0ULL, take_sum{}, memory_.reduce);
  }

  // Digits that ascend with the logit, the coarsest first. The first spreads what is likely over
  // many digits, so that few threads add to the same one; the others are the bits of the order.
  __device__ static std::uint32_t digit_of(const drawn_candidate& c, int level) {
    constexpr float digits_per_unit = static_cast<float>(num_digits) / -lowest_exponent;
    if (level == 0) {
      const auto from_top = static_cast<std::uint32_t>(-c.exponent * digits_per_unit);
      return num_digits - 1 - (from_top < num_digits ? from_top : num_digits - 1);
    }
    return c.order >> (level == 1 ? 21U : level == 2 ? 10U : 0U) & (level == 3 ? 1023U : 2047U);
  }

  // The order of the candidate at which the weights, summed up from the lowest one, pass `limit`,
  // and the sum of those below it. The limit is less than the total.
  template <class Weight>
  __device__ std::uint32_t find_order(const Weight& weight, u64 limit, u64& below) {
    std::uint32_t digits[4] = {0, 0, 0, 0};
    below = 0;
    for (int level = 0; level < 4; ++level) {
      for (unsigned d = threadIdx.x; d < num_digits; d += full_threads)
        memory_.digit_weights[d] = 0;
      __syncthreads();
      for (std::uint32_t i = lane_; i < memory_.counts[warp_]; i += warp_size) {
        const drawn_candidate c = at(i);
        bool is_inside = true;
        for (int l = 0; l < level; ++l) is_inside = is_inside && digit_of(c, l) == digits[l];
        const u64 w = is_inside ? weight(c) : 0;
        if (w != 0) atomicAdd(&memory_.digit_weights[digit_of(c, level)], w);
      }
      __syncthreads();
      find_digit(limit - below);
      digits[level] = memory_.digit;
      below += memory_.below;
    }
    return digits[1] << 21U | digits[2] << 10U | digits[3];
  }

  // The digit at which the running sum passes the limit, and the sum before it.
  __device__ void find_digit(u64 limit) {
    const u64 first = memory_.digit_weights[2 * threadIdx.x];
    const u64 second = memory_.digit_weights[2 * threadIdx.x + 1];
    const u64 before = sum_before(first + second, memory_.reduce);
    if (before <= limit && limit < before + first) {
      memory_.digit = 2 * threadIdx.x;
      memory_.below = before;
    } else if (before + first <= limit && limit < before + first + second) {
      memory_.digit = 2 * threadIdx.x + 1;
      memory_.below = before + first;
    }
    __syncthreads();
  }

  // The token at which the weights, summed up in the order of ids, pass the target.
  template <class Weight>
  __device__ std::uint32_t find_token(const Weight& weight, u64 target) {
    const u64 mine = warp_total(weight);
    u64 before = sum_before(lane_ == 0 ? mine : 0ULL, memory_.reduce);
    before = __shfl_sync(full_mask, before, 0);
    if (before <= target && target < before + mine) {
      for (std::uint32_t i = 0; i < memory_.counts[warp_]; i += warp_size) {
        const bool is_there = i + lane_ < memory_.counts[warp_];
        const drawn_candidate c = at(is_there ? i + lane_ : i);
        const u64 w = is_there ? weight(c) : 0;
        const u64 running = before + warp_running_sum(w);
        if (running - w <= target && target < running) memory_.token = c.token;
        before = __shfl_sync(full_mask, running, warp_size - 1);
      }
    }
    __syncthreads();
    return memory_.token;
  }

  // The id of the equal that has so many equals before it.
  __device__ std::uint32_t find_equal(std::uint32_t order, draw_threshold kept, u64 num_before) {
    const auto is_equal = [order, kept](const drawn_candidate& c) -> u64 {
      return c.order == order && kept.keeps(c.order, c.token) ? 1 : 0;
    };
    return find_token(is_equal, num_before);
  }

  candidate_list list_;
  exponent_of exponent_;
  draw_memory& memory_;
  unsigned warp_;
  unsigned lane_;
};

}  // namespace troupe::cuda
