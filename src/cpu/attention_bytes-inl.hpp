// Attention over int8 keys and values, included inside a namespace after attention_blocks-inl.hpp:
// once for each target, and once more for the machine's own byte instructions, where
// `byte_products` is another type. Within a group of dimensions (queries with keys) and within a
// block of keys (weights with values) the sums are exact integers.

// scores[q][key] = sum over the groups, in order, of the exact sum times both scales, for two
// vectors of keys.
template <int kQueries>
HWY_INLINE void score_byte_vectors(const attention_args& args, const std::uint32_t* const* queries,
                                   const key_block& block, int vector,
                                   float (*scores)[attention_block]) {
  const float_tag d;
  const std::uint32_t num_words = args.head_dim / 4;
  const std::uint32_t num_groups = num_kv_groups(args.head_dim);
  constexpr std::uint32_t words_per_group = kv_group_size / 4;
  const std::size_t lane[2] = {vector * vector_lanes, (vector + 1) * vector_lanes};
  const std::uint32_t* words[2];
  const std::uint32_t* next[2];
  const std::uint16_t* scales[2];
  for (int v = 0; v < 2; ++v) {
    const std::uint32_t* page = block.keys[lane[v] / page_size_tokens];
    const std::size_t token = lane[v] % page_size_tokens;
    words[v] = page + token;
    next[v] = block.next_keys[lane[v] / page_size_tokens];
    const std::uint32_t* page_scales = page + std::size_t{num_words} * page_size_tokens;
    scales[v] = reinterpret_cast<const std::uint16_t*>(page_scales) + token;
  }
  for (std::uint32_t group = 0; group < num_groups; ++group) {
    int_vector sums[kQueries][2];
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const std::uint32_t start = queries[q][num_words + num_groups + group];
      sums[q][0] = sums[q][1] = hn::BitCast(int_tag(), hn::Set(word_tag(), start));
    }
    const std::uint32_t first = group * words_per_group;
    const std::uint32_t end = std::min(num_words, first + words_per_group);
    for (std::size_t k = first; k < end; ++k) {
      prefetch(next[0] + k * page_size_tokens);
      prefetch(next[1] + k * page_size_tokens);
      const auto left = byte_products::load_keys(words[0] + k * page_size_tokens);
      const auto right = byte_products::load_keys(words[1] + k * page_size_tokens);
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) {
        const auto x = byte_products::spread_query(queries[q][k]);
        sums[q][0] = byte_products::add_keys(x, left, sums[q][0]);
        sums[q][1] = byte_products::add_keys(x, right, sums[q][1]);
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      prefetch(next[v] + (num_words + group / 2) * page_size_tokens);
      const auto key_scales = floats_of(scales[v] + std::size_t{group} * page_size_tokens);
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) {
        const auto scale =
            hn::Mul(key_scales, splat(std::bit_cast<float>(queries[q][num_words + group])));
        const auto before = group == 0 ? hn::Zero(d) : hn::LoadU(d, scores[q] + lane[v]);
        hn::StoreU(hn::MulAdd(hn::ConvertTo(d, sums[q][v]), scale, before), d, scores[q] + lane[v]);
      }
    }
  }
}

// As weigh_block; a weight is then multiplied by its value's scale and rounded to a whole number of
// steps, 32767 of which make the block's largest. Answers the step.
HWY_INLINE float weigh_byte_block(attention_scratch& scratch, int q, std::uint32_t query,
                                  const float* value_scales, float scale, std::uint32_t head_dim) {
  const float_tag d;
  float* scores = scratch.scores[q];
  auto lanes = hn::LoadU(d, scores);
  for (int v = 1; v < block_vectors; ++v) {
    lanes = hn::Max(lanes, hn::LoadU(d, scores + v * vector_lanes));
  }
  if (!hn::AllFalse(d, hn::Gt(lanes, splat(scratch.highest[query])))) {
    raise_highest<bfloat16_words>(scratch, query, hn::GetLane(hn::MaxOfLanes(d, lanes)), scale,
                                  head_dim);
  }
  const auto highest = splat(scratch.highest[query]);
  auto largest = hn::Zero(d);
  for (std::size_t lane = 0; lane < group_lanes; lane += vector_lanes) {
    auto sum = hn::LoadU(d, scratch.sum[query] + lane);
#pragma GCC unroll 4
    for (std::size_t i = lane; i < attention_block; i += group_lanes) {
      const auto difference = hn::Sub(hn::LoadU(d, scores + i), highest);
      const auto weight = bfloat16_words::exp(hn::Mul(difference, splat(scale)));
      sum = hn::Add(sum, weight);
      // What stands beyond the last visible key need not be a number.
      const auto is_none = hn::Eq(weight, hn::Zero(d));
      const auto product =
          hn::IfThenZeroElse(is_none, hn::Mul(weight, hn::LoadU(d, value_scales + i)));
      largest = hn::Max(largest, product);
      hn::StoreU(product, d, scores + i);
    }
    hn::StoreU(sum, d, scratch.sum[query] + lane);
  }
  const float top = hn::GetLane(hn::MaxOfLanes(d, largest));
  const auto inverse = splat(top > 1e-30F ? 32767.0F / top : 0.0F);
  const hn::Rebind<std::int16_t, float_tag> d16;
  auto* steps = reinterpret_cast<std::int16_t*>(scratch.weights[q]);
  for (std::size_t i = 0; i < attention_block; i += vector_lanes) {
    const auto nearest = hn::NearestInt(hn::Mul(hn::LoadU(d, scores + i), inverse));
    hn::StoreU(hn::DemoteTo(d16, nearest), d16, steps + i);
  }
  return top * (1.0F / 32767.0F);
}

// out[q] += step[q] * the exact sum over the keys below `end` of weight * value, for some of the
// dimensions. What is beyond a query's last key has no weight.
template <int kQueries, int kVectors>
HWY_INLINE void add_byte_values(const key_block& block, std::uint32_t end,
                                const attention_scratch& scratch, const float* steps,
                                std::uint32_t dim, std::size_t head_dim, float* out) {
  constexpr std::uint32_t words_per_page = page_size_tokens / 2;
  const float_tag d;
  int_vector sums[kQueries][kVectors];
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    for (int v = 0; v < kVectors; ++v) sums[q][v] = hn::Zero(int_tag());
  }
  const std::uint32_t end_word = (end + 1) / 2;
  for (std::uint32_t word = 0; word < end_word;) {
    const std::uint32_t page = word / words_per_page;
    const auto* bytes =
        reinterpret_cast<const std::int8_t*>(block.values[page]) + std::size_t{2} * dim;
    const auto* next =
        reinterpret_cast<const std::int8_t*>(block.next_values[page]) + std::size_t{2} * dim;
    const std::uint32_t page_end = std::min(end_word, word + words_per_page);
    for (; word < page_end; ++word, bytes += 2 * head_dim, next += 2 * head_dim) {
      prefetch(next);
      typename byte_products::pairs values[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        values[v] = byte_products::load_values(bytes + v * 2 * vector_lanes);
      }
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) {
        const auto weight = byte_products::spread_pair(scratch.weights[q][word]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
          sums[q][v] = byte_products::add_values(weight, values[v], sums[q][v]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      float* at = out + q * head_dim + dim + v * vector_lanes;
      const auto sum = hn::ConvertTo(d, sums[q][v]);
      hn::StoreU(hn::MulAdd(sum, splat(steps[q]), hn::LoadU(d, at)), d, at);
    }
  }
}

template <int kQueries>
HWY_NOINLINE void attend_bytes(const attention_args& args, const key_block& block,
                               attention_scratch& scratch, std::uint32_t first) {
  const std::uint32_t end = block.visible_to(scratch.positions[first + kQueries - 1]);
  const auto vectors = static_cast<int>((end + vector_lanes - 1) / vector_lanes);
  for (int v = 0; v < vectors; v += 2) {
    score_byte_vectors<kQueries>(args, scratch.queries + first, block, v, scratch.scores);
  }
  alignas(64) float value_scales[attention_block];
  for (std::size_t i = 0; i < attention_block; i += vector_lanes) {
    const std::size_t elements = std::size_t{args.head_dim} / 4 * page_size_tokens;
    const std::uint32_t* scales = block.values[i / page_size_tokens] + elements;
    prefetch(block.next_values[i / page_size_tokens] + elements);
    const auto* halves = reinterpret_cast<const std::uint16_t*>(scales) + i % page_size_tokens;
    hn::Store(floats_of(halves), float_tag(), value_scales + i);
  }
  const float scale = bfloat16_words::scale(args.scale);
  float steps[kQueries];
  for (int q = 0; q < kQueries; ++q) {
    std::fill(scratch.scores[q] + block.visible_to(scratch.positions[first + q]),
              scratch.scores[q] + attention_block, -std::numeric_limits<float>::infinity());
    steps[q] = weigh_byte_block(scratch, q, first + q, value_scales, scale, args.head_dim);
  }
  constexpr std::uint32_t dims_at_once = 2 * vector_lanes;
  float* out = scratch.out_row(first, args.head_dim);
  std::uint32_t dim = 0;
  for (; dim + dims_at_once <= args.head_dim; dim += dims_at_once) {
    add_byte_values<kQueries, 2>(block, end, scratch, steps, dim, args.head_dim, out);
  }
  for (; dim < args.head_dim; dim += vector_lanes) {
    add_byte_values<kQueries, 1>(block, end, scratch, steps, dim, args.head_dim, out);
  }
}

template <int... kQueries>
constexpr std::array<attend_kernel, sizeof...(kQueries)> byte_kernels_of(
    std::integer_sequence<int, kQueries...>) {
  return {&attend_bytes<kQueries + 1>...};
}

inline constexpr auto byte_kernels =
    byte_kernels_of(std::make_integer_sequence<int, queries_at_once>());
