#include "cuda/kernels/row_norm.cuh"

namespace troupe::cuda {
namespace {

__global__ void __launch_bounds__(1024) norm_row(const add_rms_norm_args args) {
  const std::uint32_t row = args.rows != nullptr ? args.rows[blockIdx.x] : blockIdx.x;
  const std::uint32_t i = threadIdx.x * 8;
  const bool is_inside = i < args.width;
  const std::size_t place = static_cast<std::size_t>(row) * args.width + i;
  vec16 x{};
  float squares = 0;
  if (is_inside) {
    x = load_16(args.residual + place);
    if (args.addend != nullptr) {
      const vec16 addend = load_16(args.addend + place);
      float values[8];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        values[2 * j] = low_of(addend.words[j]);
        values[2 * j + 1] = high_of(addend.words[j]);
      }
      squares = add_words(x, values);
      store_16(args.residual + place, x);
    } else {
      squares = squares_of(x);
    }
  }
  const float sum = block_sum(squares, block_memory_as<norm_memory>());
  if (!is_inside) return;
  const float factor = inverse_sqrt(sum / static_cast<float>(args.width) + args.eps);
  const std::size_t target = static_cast<std::size_t>(blockIdx.x) * args.width + i;
  store_16(args.out + target, normed(x, factor, args.weight + i));
}

}  // namespace

launch_error add_rms_norm(const add_rms_norm_args& args, cuda_stream stream) {
  if (args.width == 0 || args.width % 8 != 0 || args.width > max_norm_width) {
    return launch_error::invalid_value;
  }
  if (args.num_rows == 0) return launch_error::none;
  return launch(norm_row, {args.num_rows, 1, 1}, {norm_threads(args.width), 1, 1},
                sizeof(norm_memory), stream, args);
}

}  // namespace troupe::cuda
