// The body of linear.cpp, included inside a namespace: once for each target, and once more for the
// machine's own instructions for pairs and bytes, where `bfloat16_format` and `byte_words` are
// other types. A register tile is a few rows times two groups of output features;
// a row's sums never depend on how many stand beside it.

// The operands of a vector of words: one of int8 weights, two of int4 weights.
struct int8_format : byte_words {
  static constexpr bool is_integer = true;
  static constexpr int operands_per_word = 1;
  static HWY_INLINE void load(const std::uint32_t* words, operand* out) {
    out[0] = weights_of(hn::LoadU(word_tag(), words));
  }
};

struct int4_format : byte_words {
  static constexpr bool is_integer = true;
  static constexpr int operands_per_word = 2;
  static HWY_INLINE void load(const std::uint32_t* words, operand* out) {
    const auto mask = hn::Set(word_tag(), 0x0F0F0F0FU);
    const auto both = hn::LoadU(word_tag(), words);
    out[0] = weights_of(hn::And(both, mask));
    out[1] = weights_of(hn::And(hn::ShiftRight<4>(both), mask));
  }
};

// Rows whose sums fit the registers, and the vectors of a tile that are summed at once.
template <class Format>
constexpr std::uint32_t max_rows_at_once() {
  if (group_vectors != 1) return 4;
  // Integers are no faster with more: a group's sums are stored and scaled at its end.
  return Format::is_integer ? 8 : 12;
}
inline constexpr int tile_vectors = tile_width / vector_lanes;
constexpr int vectors_at_once(int rows) { return rows == 1 ? tile_vectors : 2; }

inline constexpr std::uint32_t line_words = 16;  // of a cache line
// Cache lines that a row of a tile's words takes.
inline constexpr std::uint32_t row_lines = tile_width / line_words;

// What is brought from memory while something else is multiplied: a core that computes looks too
// few rows of words ahead to keep its memory busy.
struct read_ahead {
  const std::uint32_t* words;
  std::uint32_t lines;  // at each row of words

  HWY_INLINE void fetch(std::size_t row) const {
    for (std::size_t line = row * lines; line < (row + 1) * lines; ++line) {
      __builtin_prefetch(words + line * line_words, 0, 2);
    }
  }
  HWY_INLINE read_ahead after(std::size_t rows) const {
    return {words + rows * lines * line_words, lines};
  }
};

// The words of x and of a tile that are multiplied; `num_words` along the reduced dimension.
struct tile_job {
  const std::uint32_t* x;
  std::size_t x_stride;
  const std::uint32_t* words;
  std::size_t num_words;
  read_ahead ahead;
};

// sums[row][output] = sum over k, in order, of x[row][k] * w[output][k].
template <class Format, int kRows, int kVectors>
HWY_INLINE void multiply_vectors(const tile_job& job, float* out) {
  float_vector sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(float_tag());
  }
  const std::uint32_t* words = job.words;
  for (std::size_t k = 0; k < job.num_words; ++k, words += tile_width) {
    typename Format::operand weights[kVectors];
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) weights[v] = Format::load(words + v * vector_lanes);
    job.ahead.fetch(k);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto x = Format::spread(job.x[static_cast<std::size_t>(r) * job.x_stride + k]);
#pragma GCC unroll 32
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = Format::multiply_add(x, weights[v], sums[r][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[r][v], float_tag(), out + r * tile_width + v * vector_lanes);
    }
  }
}

// One group: its words in a tile, and of each row its bytes and what the row's sum starts with.
struct group_job {
  const std::uint32_t* x;
  const std::uint32_t* negative_sums;
  std::size_t x_stride;
  const std::uint32_t* words;
  read_ahead ahead;
};

// The exact sums of one group, into sums[row][output] as integers.
template <class Format, int kRows, int kVectors>
HWY_INLINE void sum_group(const group_job& job, std::int32_t* out) {
  constexpr int parts = Format::operands_per_word;
  int_vector sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) {
      const auto head = hn::LoadU(word_tag(), job.words + v * vector_lanes);
      sums[r][v] =
          Format::start(head, job.negative_sums[static_cast<std::size_t>(r) * job.x_stride]);
    }
  }
  job.ahead.fetch(0);
  const std::uint32_t* words = job.words + tile_width;
  for (std::size_t k = 0; k < group_words; k += parts, words += tile_width) {
    job.ahead.fetch(1 + k / parts);
    typename Format::operand weights[kVectors][parts];
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) Format::load(words + v * vector_lanes, weights[v]);
#pragma GCC unroll 2
    for (int part = 0; part < parts; ++part) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const auto bytes = Format::spread(
            job.x[static_cast<std::size_t>(r) * job.x_stride + k + static_cast<std::size_t>(part)]);
#pragma GCC unroll 32
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = Format::multiply_add(bytes, weights[v][part], sums[r][v]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[r][v], int_tag(), out + (r * kVectors + v) * vector_lanes);
    }
  }
}

// The same by groups: sums are exact within a group, then scaled and added in the order of the
// groups.
template <class Format, int kRows, int kVectors>
HWY_INLINE void multiply_groups(const tile_job& job, float* out) {
  const float_tag d;
  constexpr std::size_t rows_of_words = 1 + group_words / Format::operands_per_word;
  const std::size_t groups = job.num_words / rows_of_words;
  const std::uint32_t* x_scales = job.x + groups * group_words;
  const std::uint32_t* negative_sums = x_scales + groups;
  alignas(64) std::int32_t sums[kRows * kVectors * vector_lanes];
  for (std::size_t g = 0; g < groups; ++g) {
    const std::uint32_t* words = job.words + g * rows_of_words * tile_width;
    sum_group<Format, kRows, kVectors>({job.x + g * group_words, negative_sums + g, job.x_stride,
                                        words, job.ahead.after(g * rows_of_words)},
                                       sums);
    float_vector weight_scales[kVectors];
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) {
      weight_scales[v] = scales_of(hn::LoadU(word_tag(), words + v * vector_lanes));
    }
    for (int r = 0; r < kRows; ++r) {
      const auto scale =
          float32_format::spread(x_scales[static_cast<std::size_t>(r) * job.x_stride + g]);
#pragma GCC unroll 32
      for (int v = 0; v < kVectors; ++v) {
        const auto sum = hn::LoadU(int_tag(), sums + (r * kVectors + v) * vector_lanes);
        float* total = out + r * tile_width + v * vector_lanes;
        const auto before = g == 0 ? hn::Zero(d) : hn::LoadU(d, total);
        const auto scaled = hn::Mul(hn::ConvertTo(d, sum), weight_scales[v]);
        hn::StoreU(hn::MulAdd(scaled, scale, before), d, total);
      }
    }
  }
}

// The tile's sums, bias added, into the outputs that exist.
HWY_INLINE void write_out(const linear_args& args, const float* sums, int rows, std::uint32_t row,
                          std::uint32_t tile) {
  const std::uint32_t first = tile * tile_width;
  const std::uint32_t count = std::min(tile_width, args.matrix->out_features() - first);
  for (int r = 0; r < rows; ++r, sums += tile_width) {
    float* out = args.out + (row + static_cast<std::size_t>(r)) * args.out_stride + first;
    if (args.bias != nullptr) {
      for (std::uint32_t i = 0; i < count; ++i) out[i] = sums[i] + args.bias[first + i];
    } else if (args.is_streamed && count == tile_width) {
      for (int v = 0; v < tile_vectors; ++v) {
        const float* from = sums + v * vector_lanes;
        hn::Stream(hn::Load(float_tag(), from), float_tag(), out + v * vector_lanes);
      }
    } else {
      std::copy_n(sums, count, out);
    }
  }
}

HWY_INLINE float_vector higher(float_vector x, float_vector best) {
  return hn::IfThenElse(hn::Gt(x, best), x, best);
}

// Of a tile whose outputs do not all count.
HWY_NOINLINE void write_last_maxima(const linear_args& args, const float* sums, int rows,
                                    std::uint32_t row, std::uint32_t tile) {
  const std::uint32_t first = tile * tile_width;
  const std::uint32_t counted = std::max(args.maxima.num_features, first) - first;
  const std::size_t stride = maxima_stride(args.matrix->out_features());
  float* out = args.maxima.out + row * stride + tile;
  for (int r = 0; r < rows; ++r, out += stride, sums += tile_width) {
    float best = -std::numeric_limits<float>::infinity();
    for (std::uint32_t i = 0; i < counted; ++i) best = sums[i] > best ? sums[i] : best;
    *out = best;
  }
}

template <int kRows>
HWY_INLINE void write_maxima(const linear_args& args, const float* sums, std::uint32_t row,
                             std::uint32_t tile) {
  const float_tag d;
  if ((tile + 1) * tile_width > args.maxima.num_features) {
    write_last_maxima(args, sums, kRows, row, tile);
    return;
  }
  const std::size_t stride = maxima_stride(args.matrix->out_features());
  float* out = args.maxima.out + row * stride + tile;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r, out += stride) {
    auto best = splat(-std::numeric_limits<float>::infinity());
#pragma GCC unroll 32
    for (int v = 0; v < tile_vectors; ++v) {
      best = higher(hn::Load(d, sums + r * tile_width + v * vector_lanes), best);
    }
    *out = hn::GetLane(hn::MaxOfLanes(d, best));
  }
}

// The cache lines that will be written are fetched meanwhile: 5 % of a layer with wide rows.
HWY_INLINE void claim_outputs(const linear_args& args, int rows, std::uint32_t row,
                              std::uint32_t tile) {
  constexpr std::uint32_t line_floats = 16;
  if (args.is_streamed) return;
  const float* out = args.out + row * args.out_stride + tile * tile_width;
  for (int r = 0; r < rows; ++r, out += args.out_stride) {
    __builtin_prefetch(out, 1);
    __builtin_prefetch(out + line_floats, 1);
  }
}

template <class Format, int kRows>
HWY_NOINLINE void multiply_rows(const linear_args& args, std::uint32_t row, std::uint32_t tile,
                                const read_ahead& ahead) {
  constexpr int vectors = vectors_at_once(kRows);
  alignas(64) float sums[kRows * tile_width];
  tile_job job{args.x + row * args.x_stride, args.x_stride, args.matrix->tile(tile),
               args.matrix->tile_words() / tile_width, ahead};
  claim_outputs(args, kRows, row, tile);
  for (int v = 0; v < tile_vectors; v += vectors, job.words += vectors * vector_lanes) {
    if constexpr (Format::is_integer) {
      multiply_groups<Format, kRows, vectors>(job, sums + v * vector_lanes);
    } else {
      multiply_vectors<Format, kRows, vectors>(job, sums + v * vector_lanes);
    }
  }
  if (args.maxima.out != nullptr) write_maxima<kRows>(args, sums, row, tile);
  write_out(args, sums, kRows, row, tile);
}

using rows_kernel = void (*)(const linear_args&, std::uint32_t row, std::uint32_t tile,
                             const read_ahead&);

template <class Format, int... kRows>
constexpr std::array<rows_kernel, sizeof...(kRows)> kernels_of(
    std::integer_sequence<int, kRows...>) {
  return {&multiply_rows<Format, kRows + 1>...};
}

// For the `group`-th of the groups of rows that pass by a tile. One group reads a little ahead of
// itself; the first two of several read half of the next tile each. One or two rows of plain
// weights are a mere walk through memory, where the core itself looks ahead.
HWY_INLINE read_ahead read_ahead_of(const packed_matrix& matrix, std::uint32_t tile,
                                    std::uint32_t rows, std::uint32_t group, std::uint32_t groups) {
  const std::uint32_t few_rows = is_integer(matrix.type()) ? 0 : 2;
  constexpr std::size_t distance = 4096;
  const std::uint32_t* words = matrix.tile(tile);
  if (rows <= few_rows || group >= row_lines) return {words, 0};
  if (groups == 1) return {words + distance, row_lines};
  return {words + matrix.tile_words() * (row_lines + group) / row_lines, 1};
}

// Tile by tile, so that a tile stays in the core's cache while its rows pass by.
template <class Format>
void multiply_block(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
                    std::uint32_t first_tile, std::uint32_t end_tile) {
  constexpr std::uint32_t at_once = max_rows_at_once<Format>();
  static constexpr auto kernels = kernels_of<Format>(std::make_integer_sequence<int, at_once>());
  const std::uint32_t rows = end_row - first_row;
  const std::uint32_t groups = (rows + at_once - 1) / at_once;
  for (std::uint32_t tile = first_tile; tile < end_tile; ++tile) {
    for (std::uint32_t g = 0; g < groups; ++g) {
      const std::uint32_t first = rows * g / groups;
      const std::uint32_t end = rows * (g + 1) / groups;
      kernels[end - first - 1](args, first_row + first, tile,
                               read_ahead_of(*args.matrix, tile, rows, g, groups));
    }
  }
  if (args.is_streamed) hwy::FlushStream();
}
