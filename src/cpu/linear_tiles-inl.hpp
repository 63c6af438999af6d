// The body of linear.cpp, included inside a namespace: once for each target, and once more for the
// machine's own pair instruction, where `bfloat16_format` is another type. A register tile is a few
// rows times two groups of output features; a row's sums never depend on how many stand beside it.

// Rows whose sums fit the registers, and the vectors of a tile that are summed at once.
inline constexpr std::uint32_t max_rows_at_once = group_vectors == 1 ? 12 : 4;
inline constexpr int tile_vectors = tile_width / vector_lanes;
constexpr int vectors_at_once(int rows) { return rows == 1 ? tile_vectors : 2; }

// The words of x and of a tile that are multiplied; `num_words` along the reduced dimension.
struct tile_job {
  const std::uint32_t* x;
  std::size_t x_stride;
  const std::uint32_t* words;
  std::size_t num_words;
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

// The tile's sums, bias added, into the outputs that exist.
HWY_INLINE void write_out(const linear_args& args, const float* sums, int rows, std::uint32_t row,
                          std::uint32_t tile) {
  const std::uint32_t first = tile * tile_width;
  const std::uint32_t count = std::min(tile_width, args.matrix->out_features() - first);
  for (int r = 0; r < rows; ++r, sums += tile_width) {
    float* out = args.out + (row + static_cast<std::size_t>(r)) * args.out_stride + first;
    if (args.bias == nullptr) {
      std::copy_n(sums, count, out);
    } else {
      for (std::uint32_t i = 0; i < count; ++i) out[i] = sums[i] + args.bias[first + i];
    }
  }
}

// The cache lines that will be written are fetched meanwhile: 5 % of a layer with wide rows.
HWY_INLINE void claim_outputs(const linear_args& args, int rows, std::uint32_t row,
                              std::uint32_t tile) {
  constexpr std::uint32_t line_floats = 16;
  const float* out = args.out + row * args.out_stride + tile * tile_width;
  for (int r = 0; r < rows; ++r, out += args.out_stride) {
    __builtin_prefetch(out, 1);
    __builtin_prefetch(out + line_floats, 1);
  }
}

template <class Format, int kRows>
HWY_NOINLINE void multiply_rows(const linear_args& args, std::uint32_t row, std::uint32_t tile) {
  constexpr int vectors = vectors_at_once(kRows);
  alignas(64) float sums[kRows * tile_width];
  tile_job job{args.x + row * args.x_stride, args.x_stride, args.matrix->tile(tile),
               args.matrix->tile_words() / tile_width};
  claim_outputs(args, kRows, row, tile);
  for (int v = 0; v < tile_vectors; v += vectors, job.words += vectors * vector_lanes) {
    multiply_vectors<Format, kRows, vectors>(job, sums + v * vector_lanes);
  }
  write_out(args, sums, kRows, row, tile);
}

using rows_kernel = void (*)(const linear_args&, std::uint32_t row, std::uint32_t tile);

template <class Format, int... kRows>
constexpr std::array<rows_kernel, sizeof...(kRows)> kernels_of(
    std::integer_sequence<int, kRows...>) {
  return {&multiply_rows<Format, kRows + 1>...};
}

// Tile by tile, so that a tile stays in the core's cache while its rows pass by.
template <class Format>
void multiply_block(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
                    std::uint32_t first_tile, std::uint32_t end_tile) {
  static constexpr auto kernels =
      kernels_of<Format>(std::make_integer_sequence<int, max_rows_at_once>());
  const std::uint32_t rows = end_row - first_row;
  const std::uint32_t groups = (rows + max_rows_at_once - 1) / max_rows_at_once;
  for (std::uint32_t tile = first_tile; tile < end_tile; ++tile) {
    for (std::uint32_t g = 0; g < groups; ++g) {
      const std::uint32_t first = rows * g / groups;
      const std::uint32_t end = rows * (g + 1) / groups;
      kernels[end - first - 1](args, first_row + first, tile);
    }
  }
}
