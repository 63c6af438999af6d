// The body of attention.cpp, included inside a namespace: once for each target, and once more for
// the machine's own pair instruction, where `bfloat16_format` is another type.

inline constexpr std::uint32_t pages_per_block = attention_block / page_size_tokens;
inline constexpr int block_vectors = attention_block / vector_lanes;
static_assert(page_size_tokens == group_lanes, "a page's keys are one group of lanes");

// The pages of one block; those beyond its last one repeat that.
struct key_block {
  std::uint32_t first_position;
  const std::uint32_t* keys[pages_per_block];
  const std::uint32_t* values[pages_per_block];
  // Of the block after it, or its own where there is none: asked for line by line while this one is
  // read. Pages may lie anywhere, so the machine cannot guess where they go on.
  const std::uint32_t* next_keys[pages_per_block];
  const std::uint32_t* next_values[pages_per_block];

  std::uint32_t visible_to(std::uint32_t position) const {
    if (position < first_position) return 0;
    return std::min(position - first_position + 1, attention_block);
  }
};

// Into the second cache: the first one has no room for two blocks.
HWY_INLINE void prefetch(const void* line) { __builtin_prefetch(line, 0, 2); }

// scores[q][key] = sum over the dimensions, in order, of q * k, for two vectors of keys.
template <class Format, int kQueries>
HWY_INLINE void score_vectors(const attention_args& args, const std::uint32_t* const* queries,
                              const key_block& block, int vector,
                              float (*scores)[attention_block]) {
  const std::size_t lane[2] = {vector * vector_lanes, (vector + 1) * vector_lanes};
  const std::uint32_t* words[2];
  const std::uint32_t* next[2];
  for (int v = 0; v < 2; ++v) {
    words[v] = block.keys[lane[v] / page_size_tokens] + lane[v] % page_size_tokens;
    next[v] = block.next_keys[lane[v] / page_size_tokens];
  }
  float_vector sums[kQueries][2];
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) sums[q][0] = sums[q][1] = hn::Zero(float_tag());
  const std::size_t num_words = args.head_dim / Format::elements_per_word;
  for (std::size_t k = 0; k < num_words; ++k) {
    prefetch(next[0] + k * page_size_tokens);
    prefetch(next[1] + k * page_size_tokens);
    const auto first = Format::load(words[0] + k * page_size_tokens);
    const auto second = Format::load(words[1] + k * page_size_tokens);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const auto x = Format::spread(queries[q][k]);
      sums[q][0] = Format::multiply_add(x, first, sums[q][0]);
      sums[q][1] = Format::multiply_add(x, second, sums[q][1]);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    hn::StoreU(sums[q][0], float_tag(), scores[q] + lane[0]);
    hn::StoreU(sums[q][1], float_tag(), scores[q] + lane[1]);
  }
}

// What was summed so far is worth less beside a higher score.
template <class Format>
HWY_NOINLINE void raise_highest(attention_scratch& scratch, std::uint32_t query, float highest,
                                float scale, std::uint32_t head_dim) {
  const float_tag d;
  const auto shrink = Format::exp(splat((scratch.highest[query] - highest) * scale));
  float* out = scratch.out_row(query, head_dim);
  for (std::uint32_t i = 0; i < head_dim; i += vector_lanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, out + i), shrink), d, out + i);
  }
  for (std::size_t v = 0; v < group_lanes; v += vector_lanes) {
    hn::StoreU(hn::Mul(hn::LoadU(d, scratch.sum[query] + v), shrink), d, scratch.sum[query] + v);
  }
  scratch.highest[query] = highest;
}

// The scores of row `q` become weights, exp(scale * (score - highest)), and are summed; keys at
// `num_keys` and above do not exist for this query.
template <class Format>
HWY_INLINE void weigh_block(attention_scratch& scratch, int q, std::uint32_t query,
                            std::uint32_t num_keys, float scale, std::uint32_t head_dim) {
  const float_tag d;
  float* scores = scratch.scores[q];
  std::fill(scores + num_keys, scores + attention_block, -std::numeric_limits<float>::infinity());
  auto lanes = hn::LoadU(d, scores);
  for (int v = 1; v < block_vectors; ++v) {
    lanes = hn::Max(lanes, hn::LoadU(d, scores + v * vector_lanes));
  }
  if (!hn::AllFalse(d, hn::Gt(lanes, splat(scratch.highest[query])))) {
    raise_highest<Format>(scratch, query, hn::GetLane(hn::MaxOfLanes(d, lanes)), scale, head_dim);
  }
  const auto highest = splat(scratch.highest[query]);
  for (std::size_t lane = 0; lane < group_lanes; lane += vector_lanes) {
    auto sum = hn::LoadU(d, scratch.sum[query] + lane);
#pragma GCC unroll 4
    for (std::size_t i = lane; i < attention_block; i += group_lanes) {
      const auto difference = hn::Sub(hn::LoadU(d, scores + i), highest);
      const auto weight = Format::exp(hn::Mul(difference, splat(scale)));
      Format::store(weight, scratch.weights[q], i);
      sum = hn::Add(sum, weight);
    }
    hn::StoreU(sum, d, scratch.sum[query] + lane);
  }
}

template <class Format, int kQueries, int kVectors, bool kEvenOnly>
HWY_INLINE void add_word(const std::uint32_t* words,
                         const std::uint32_t (*weights)[attention_block], std::uint32_t word,
                         float_vector (&sums)[kQueries][kVectors]) {
  typename Format::operand values[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const std::uint32_t* at = words + v * vector_lanes;
    values[v] = kEvenOnly ? Format::load_even(at) : Format::load(at);
  }
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    const auto weight = Format::spread(weights[q][word]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[q][v] = Format::multiply_add(weight, values[v], sums[q][v]);
    }
  }
}

// out[q] += sum over the keys first .. end - 1 of a block, in order, of weight * value, for some of
// the dimensions. `first` is even.
template <class Format, int kQueries, int kVectors>
HWY_INLINE void add_values_at(const key_block& block, std::uint32_t first, std::uint32_t end,
                              const std::uint32_t (*weights)[attention_block], std::uint32_t dim,
                              std::size_t head_dim, float* out) {
  constexpr std::uint32_t words_per_page = page_size_tokens / Format::elements_per_word;
  const float_tag d;
  float_vector sums[kQueries][kVectors];
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[q][v] = hn::LoadU(d, out + q * head_dim + dim + v * vector_lanes);
    }
  }
  std::uint32_t word = first / Format::elements_per_word;
  const std::uint32_t end_word = end / Format::elements_per_word;
  while (word < end_word) {
    const std::uint32_t* words =
        block.values[word / words_per_page] + word % words_per_page * head_dim + dim;
    const std::uint32_t* next =
        block.next_values[word / words_per_page] + word % words_per_page * head_dim + dim;
    const std::uint32_t page_end = std::min(end_word, (word / words_per_page + 1) * words_per_page);
    for (; word < page_end; ++word, words += head_dim, next += head_dim) {
      for (int v = 0; v < kVectors; ++v) prefetch(next + v * vector_lanes);
      add_word<Format, kQueries, kVectors, false>(words, weights, word, sums);
    }
  }
  if (end % Format::elements_per_word != 0) {
    const std::uint32_t* words =
        block.values[word / words_per_page] + word % words_per_page * head_dim + dim;
    add_word<Format, kQueries, kVectors, true>(words, weights, word, sums);
  }
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[q][v], d, out + q * head_dim + dim + v * vector_lanes);
    }
  }
}

template <class Format, int kQueries>
HWY_INLINE void add_values(const attention_args& args, const key_block& block, std::uint32_t first,
                           std::uint32_t end, const std::uint32_t (*weights)[attention_block],
                           float* out) {
  constexpr std::uint32_t dims_at_once = 2 * vector_lanes;
  std::uint32_t dim = 0;
  for (; dim + dims_at_once <= args.head_dim; dim += dims_at_once) {
    add_values_at<Format, kQueries, 2>(block, first, end, weights, dim, args.head_dim, out);
  }
  for (; dim < args.head_dim; dim += vector_lanes) {
    add_values_at<Format, kQueries, 1>(block, first, end, weights, dim, args.head_dim, out);
  }
}

template <class Format, int kQueries>
HWY_NOINLINE void attend(const attention_args& args, const key_block& block,
                         attention_scratch& scratch, std::uint32_t first) {
  std::uint32_t num_keys[kQueries];
  for (int q = 0; q < kQueries; ++q) {
    num_keys[q] = block.visible_to(scratch.positions[first + q]);
  }
  const auto vectors = static_cast<int>((num_keys[kQueries - 1] + vector_lanes - 1) / vector_lanes);
  for (int v = 0; v < vectors; v += 2) {
    score_vectors<Format, kQueries>(args, scratch.queries + first, block, v, scratch.scores);
  }
  const float scale = Format::scale(args.scale);
  for (int q = 0; q < kQueries; ++q) {
    weigh_block<Format>(scratch, q, first + q, num_keys[q], scale, args.head_dim);
  }
  // Positions ascend: the whole words that the first query sees, all see. The rest is added query
  // by query, so that none multiplies a value that it must not see, not even by zero.
  std::uint32_t common = num_keys[0];
  if (num_keys[kQueries - 1] != common) common -= common % Format::elements_per_word;
  if (common > 0) {
    add_values<Format, kQueries>(args, block, 0, common, scratch.weights,
                                 scratch.out_row(first, args.head_dim));
  }
  for (int q = 0; q < kQueries; ++q) {
    if (num_keys[q] <= common) continue;
    add_values<Format, 1>(args, block, common, num_keys[q], scratch.weights + q,
                          scratch.out_row(first + q, args.head_dim));
  }
}

using attend_kernel = void (*)(const attention_args&, const key_block&, attention_scratch&,
                               std::uint32_t first);

template <class Format, int... kQueries>
constexpr std::array<attend_kernel, sizeof...(kQueries)> kernels_of(
    std::integer_sequence<int, kQueries...>) {
  return {&attend<Format, kQueries + 1>...};
}

template <class Format>
inline constexpr auto word_kernels =
    kernels_of<Format>(std::make_integer_sequence<int, queries_at_once>());

HWY_INLINE key_block block_at(const attention_args& args, std::uint32_t first, std::uint32_t end) {
  key_block block{first, {}, {}, {}, {}};
  const std::uint32_t last_page = (end - 1) / page_size_tokens;
  const std::uint32_t first_page = first / page_size_tokens;
  for (std::uint32_t p = 0; p < pages_per_block; ++p) {
    const std::size_t page = args.page_table[std::min(first_page + p, last_page)];
    const std::size_t next = args.page_table[std::min(first_page + pages_per_block + p, last_page)];
    block.keys[p] = args.keys + page * args.key_stride;
    block.values[p] = args.values + page * args.value_stride;
    block.next_keys[p] = args.keys + next * args.key_stride;
    block.next_values[p] = args.values + next * args.value_stride;
  }
  return block;
}

// kernels[n - 1] takes n queries, all of which see the block's first key.
HWY_INLINE void attend_all(const attention_args& args, attention_scratch& scratch,
                           const std::array<attend_kernel, queries_at_once>& kernels) {
  for (std::uint32_t q = 0; q < args.num_queries; ++q) {
    scratch.highest[q] = -std::numeric_limits<float>::infinity();
    std::fill_n(scratch.sum[q], group_lanes, 0.0F);
    std::fill_n(scratch.out_row(q, args.head_dim), args.head_dim, 0.0F);
  }
  const std::uint32_t end = scratch.positions[args.num_queries - 1] + 1;
  for (std::uint32_t first = 0; first < end; first += attention_block) {
    const key_block block = block_at(args, first, end);
    std::uint32_t q = 0;
    while (block.visible_to(scratch.positions[q]) == 0) ++q;
    for (; q < args.num_queries; q += queries_at_once) {
      const std::uint32_t count = std::min(queries_at_once, args.num_queries - q);
      kernels[count - 1](args, block, scratch, q);
    }
  }
  for (std::uint32_t q = 0; q < args.num_queries; ++q) {
    const float sum = sum_of_group(scratch.sum[q]);
    float* out = scratch.out_row(q, args.head_dim);
    for (std::uint32_t i = 0; i < args.head_dim; ++i) out[i] /= sum;
  }
}
