#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned block_threads = 256;

__global__ void __launch_bounds__(block_threads) copy_page(const copy_pages_args args) {
  const page_copy page = args.pages[blockIdx.x];
  const auto* from = static_cast<const std::byte*>(args.from) + blockIdx.y * args.from_layer_bytes +
                     static_cast<std::size_t>(page.from) * args.page_bytes;
  auto* to = static_cast<std::byte*>(args.to) + blockIdx.y * args.to_layer_bytes +
             static_cast<std::size_t>(page.to) * args.page_bytes;
  for (std::uint32_t i = threadIdx.x * 16; i < args.page_bytes; i += block_threads * 16) {
    store_16(to + i, load_16(from + i));
  }
}

}  // namespace

launch_error copy_pages(const copy_pages_args& args, cuda_stream stream) {
  if (args.page_bytes % 16 != 0) return launch_error::invalid_value;
  if (args.num_pages == 0 || args.num_layers == 0) return launch_error::none;
  return launch(copy_page, {args.num_pages, args.num_layers, 1}, {block_threads, 1, 1}, 0, stream,
                args);
}

}  // namespace troupe::cuda
