// softmax(q * K^T * scale) * V over the pages of one sequence, in blocks of 64 keys that start at
// multiples of 64: a query meets its keys in the same order and in the same blocks whether its
// prompt came in one piece or in many, and whether it is a prompt's row or a decoded token's.
#include <algorithm>
#include <limits>

#include "cpu/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include "cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {
namespace {

constexpr int queries_at_once = group_vectors == 4 ? 2 : 4;
constexpr std::uint32_t pages_per_block = attention_block / page_size_tokens;
static_assert(page_size_tokens == group_lanes, "a page's keys are one group of lanes");

template <int kParity, class Format, int kQueries>
HWY_INLINE void score_dimension(const float* const* queries, std::uint32_t dim,
                                const std::uint32_t* words,
                                float_vector (&sums)[kQueries][group_vectors]) {
#pragma GCC unroll 4
  for (std::size_t v = 0; v < group_vectors; ++v) {
    const auto keys = Format::template load<kParity>(words + v * vector_lanes, page_size_tokens);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      sums[q][v] = hn::MulAdd(splat(queries[q][dim + kParity]), keys, sums[q][v]);
    }
  }
}

// scores[q][key] = scale * sum over the dimensions, in order, of q * k: one page of 16 keys.
template <class Format, int kQueries>
void score_page(const attention_args& args, const float* const* queries, const std::uint32_t* page,
                float (*scores)[attention_block], std::uint32_t first_key) {
  constexpr std::size_t pair_words = 2 / Format::rows_per_word * page_size_tokens;
  const float_tag d;
  float_vector sums[kQueries][group_vectors];
#pragma GCC unroll 4
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
    for (auto& s : sums[q]) s = hn::Zero(d);
  }
  for (std::uint32_t dim = 0; dim < args.head_dim; dim += 2, page += pair_words) {
    score_dimension<0, Format>(queries, dim, page, sums);
    score_dimension<1, Format>(queries, dim, page, sums);
  }
#pragma GCC unroll 4
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < group_vectors; ++v) {
      hn::StoreU(hn::Mul(sums[q][v], splat(args.scale)), d,
                 scores[q] + first_key + v * vector_lanes);
    }
  }
}

// The block's scores become exp(score - highest); sum and out are rescaled when a new highest score
// appears. Keys at `num_keys` and above do not exist for this query.
void weigh_block(attention_scratch& scratch, std::uint32_t q, std::uint32_t num_keys,
                 std::uint32_t head_dim) {
  const float_tag d;
  float* scores = scratch.scores[q];
  std::fill(scores + num_keys, scores + attention_block, -std::numeric_limits<float>::infinity());
  auto highest_lanes = splat(scratch.highest[q]);
  for (std::uint32_t i = 0; i < attention_block; i += vector_lanes) {
    highest_lanes = hn::Max(highest_lanes, hn::LoadU(d, scores + i));
  }
  const float highest = hn::GetLane(hn::MaxOfLanes(d, highest_lanes));
  if (highest != scratch.highest[q]) {
    const float shrink = exponential(scratch.highest[q] - highest);
    scratch.sum[q] *= shrink;
    for (std::uint32_t i = 0; i < head_dim; i += vector_lanes) {
      const auto out = hn::LoadU(d, scratch.out[q] + i);
      hn::StoreU(hn::Mul(out, splat(shrink)), d, scratch.out[q] + i);
    }
    scratch.highest[q] = highest;
  }
  alignas(64) float lanes[group_lanes];
  for (std::size_t v = 0; v < group_lanes; v += vector_lanes) {
    auto sum = hn::Zero(d);
    for (std::uint32_t i = 0; i < attention_block; i += group_lanes) {
      const auto weight = exponential_of(hn::Sub(hn::LoadU(d, scores + i + v), splat(highest)));
      hn::StoreU(weight, d, scores + i + v);
      sum = hn::Add(sum, weight);
    }
    hn::StoreU(sum, d, lanes + v);
  }
  scratch.sum[q] += sum_of_group(lanes);
}

template <int kParity, class Format, int kQueries>
HWY_INLINE void add_value(const float (*weights)[attention_block], std::uint32_t key,
                          const std::uint32_t* words, std::size_t row_words,
                          float_vector (&sums)[kQueries][group_vectors]) {
#pragma GCC unroll 4
  for (std::size_t v = 0; v < group_vectors; ++v) {
    const auto values = Format::template load<kParity>(words + v * vector_lanes, row_words);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      sums[q][v] = hn::MulAdd(splat(weights[q][key]), values, sums[q][v]);
    }
  }
}

// out[q] += sum over the keys first .. end - 1 of a block, in order, of weight * value.
template <class Format, int kQueries>
void add_values(const attention_args& args, const std::uint32_t* const* pages, std::uint32_t first,
                std::uint32_t end, const float (*weights)[attention_block],
                float (*out)[max_head_dim]) {
  const float_tag d;
  const std::size_t pair_words = 2 / Format::rows_per_word * std::size_t{args.head_dim};
  for (std::uint32_t dim = 0; dim < args.head_dim; dim += group_lanes) {
    float_vector sums[kQueries][group_vectors];
    for (int q = 0; q < kQueries; ++q) {
      for (std::size_t v = 0; v < group_vectors; ++v) {
        sums[q][v] = hn::LoadU(d, out[q] + dim + v * vector_lanes);
      }
    }
    for (std::uint32_t pair = first / 2 * 2; pair < end; pair += 2) {
      const std::uint32_t* words =
          pages[pair / page_size_tokens] + dim + pair % page_size_tokens / 2 * pair_words;
      if (pair >= first) add_value<0, Format>(weights, pair, words, args.head_dim, sums);
      if (pair + 1 < end) add_value<1, Format>(weights, pair + 1, words, args.head_dim, sums);
    }
    for (int q = 0; q < kQueries; ++q) {
      for (std::size_t v = 0; v < group_vectors; ++v) {
        hn::StoreU(sums[q][v], d, out[q] + dim + v * vector_lanes);
      }
    }
  }
}

// The pages of one block, and how many keys of it a query sees.
struct key_block {
  std::uint32_t first_position;
  std::uint32_t num_pages;
  const std::uint32_t* keys[pages_per_block];
  const std::uint32_t* values[pages_per_block];

  std::uint32_t visible_to(std::uint32_t position) const {
    if (position < first_position) return 0;
    return std::min(position - first_position + 1, attention_block);
  }
};

template <class Format, int kQueries>
void attend(const attention_args& args, const key_block& block, attention_scratch& scratch,
            std::uint32_t q) {
  for (std::uint32_t p = 0; p < block.num_pages; ++p) {
    score_page<Format, kQueries>(args, scratch.queries + q, block.keys[p], scratch.scores + q,
                                 p * page_size_tokens);
  }
  std::uint32_t num_keys[kQueries];
  for (std::uint32_t i = 0; i < kQueries; ++i) {
    num_keys[i] = block.visible_to(scratch.positions[q + i]);
    if (num_keys[i] > 0) weigh_block(scratch, q + i, num_keys[i], args.head_dim);
  }
  // Positions ascend: what the first query sees, all see. The rest is added query by query, so that
  // no query multiplies a value that it must not see, not even by zero.
  const std::uint32_t common = num_keys[0];
  add_values<Format, kQueries>(args, block.values, 0, common, scratch.scores + q, scratch.out + q);
  for (std::uint32_t i = 1; i < kQueries; ++i) {
    if (num_keys[i] == common) continue;
    add_values<Format, 1>(args, block.values, common, num_keys[i], scratch.scores + q + i,
                          scratch.out + q + i);
  }
}

template <class Format>
void attend_all(const attention_args& args, attention_scratch& scratch) {
  for (std::uint32_t q = 0; q < args.num_queries; ++q) {
    scratch.highest[q] = -std::numeric_limits<float>::infinity();
    scratch.sum[q] = 0;
    std::fill_n(scratch.out[q], args.head_dim, 0.0F);
  }
  const std::uint32_t end = scratch.positions[args.num_queries - 1] + 1;
  for (std::uint32_t first = 0; first < end; first += attention_block) {
    key_block block{first, 0, {}, {}};
    block.num_pages =
        std::min(pages_per_block, (end - first + page_size_tokens - 1) / page_size_tokens);
    for (std::uint32_t p = 0; p < block.num_pages; ++p) {
      const std::size_t page = args.page_table[first / page_size_tokens + p];
      block.keys[p] = args.keys + page * args.page_stride;
      block.values[p] = args.values + page * args.page_stride;
    }
    std::uint32_t q = 0;
    for (; q + queries_at_once <= args.num_queries; q += queries_at_once) {
      attend<Format, queries_at_once>(args, block, scratch, q);
    }
    for (; q < args.num_queries; ++q) attend<Format, 1>(args, block, scratch, q);
  }
  for (std::uint32_t q = 0; q < args.num_queries; ++q) {
    for (std::uint32_t i = 0; i < args.head_dim; ++i) scratch.out[q][i] /= scratch.sum[q];
  }
}

}  // namespace

void attend_queries(const attention_args& args, attention_scratch& scratch) {
  if (args.type == dtype::float32) {
    attend_all<float32_format>(args, scratch);
  } else {
    attend_all<bfloat16_format>(args, scratch);
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {

HWY_EXPORT(attend_queries);

void attention(const attention_args& args, attention_scratch& scratch) {
  HWY_DYNAMIC_DISPATCH(attend_queries)(args, scratch);
}

}  // namespace troupe::kernels
#endif
