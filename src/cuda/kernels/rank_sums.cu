// Sums over the ranks of a replica, in rank order, in float32, rounded once: every rank computes
// the same bits.
#include "cuda/kernels/row_norm.cuh"

namespace troupe::cuda {
namespace {

// Adds eight neighbours.
__device__ __forceinline__ void add_to(float (&sums)[8], const vec16& x) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    sums[2 * i] += low_of(x.words[i]);
    sums[2 * i + 1] += high_of(x.words[i]);
  }
}

__device__ __forceinline__ vec16 rounded(const float (&sums)[8]) {
  vec16 out;
#pragma unroll
  for (int i = 0; i < 4; ++i) out.words[i] = pack(sums[2 * i], sums[2 * i + 1]);
  return out;
}

// --- Ranks on one device ------------------------------------------------------------------------

constexpr unsigned sum_threads = 256;

__global__ void __launch_bounds__(sum_threads)
    sum_elements(const __grid_constant__ sum_ranks_args args) {
  const std::uint64_t i = (static_cast<std::uint64_t>(blockIdx.x) * sum_threads + threadIdx.x) * 8;
  if (i >= args.count) return;
  float sums[8] = {};
#pragma unroll
  for (std::uint32_t r = 0; r < max_ranks; ++r) {
    if (r < args.num_ranks) add_to(sums, load_16(args.ranks[r] + i));
  }
  const vec16 sum = rounded(sums);
#pragma unroll
  for (std::uint32_t r = 0; r < max_ranks; ++r) {
    if (r < args.num_ranks) store_16(args.ranks[r] + i, sum);
  }
}

// --- Ranks on devices with peer access ----------------------------------------------------------

// The word is in the host's memory, which is far.
constexpr std::uint32_t turns_between_looks = 256;
__device__ __forceinline__ bool is_abandoned(const peer_all_reduce_args& args) {
  return args.abandoned != nullptr && load_acquire(args.abandoned) != 0;
}

// A block of each rank does the rows blockIdx.x, + max_peer_blocks, ...: it waits for the same
// blocks of its peers only. A call takes two epochs, and one half of the staging memory in turn: a
// peer still reads the other half, but has left this one, because it has arrived at the call
// between.
__device__ __forceinline__ void meet_peers(const peer_all_reduce_args& args, std::uint32_t epoch) {
  // Everything that this block has staged comes before its flag.
  __syncthreads();
  if (threadIdx.x < args.num_ranks) {
    const std::uint32_t peer = threadIdx.x;
    __threadfence_system();
    store_release(args.peers.arrivals[peer] + args.rank * max_peer_blocks + blockIdx.x, epoch);
    const std::uint32_t* flag =
        args.peers.arrivals[args.rank] + peer * max_peer_blocks + blockIdx.x;
    // A peer may be one epoch ahead.
    for (std::uint32_t turn = 1; static_cast<std::int32_t>(load_acquire(flag) - epoch) < 0;
         ++turn) {
      if (turn % turns_between_looks == 0 && is_abandoned(args)) break;
    }
  }
  __syncthreads();
}

// What the row's eight neighbours of this thread add up to over the ranks.
__device__ __forceinline__ vec16 sum_of_ranks(const peer_all_reduce_args& args, std::size_t place) {
  float sums[8] = {};
#pragma unroll
  for (std::uint32_t r = 0; r < max_ranks; ++r) {
    if (r < args.num_ranks) add_to(sums, load_16(args.peers.staging[r] + place));
  }
  return rounded(sums);
}

// The row's sum goes where it is wanted.
__device__ __forceinline__ void finish_row(const peer_all_reduce_args& args, std::uint32_t row,
                                           const vec16& sum) {
  const std::uint32_t i = threadIdx.x * 8;
  const bool is_inside = i < args.width;
  const std::size_t place = static_cast<std::size_t>(row) * args.width + i;
  if (args.residual == nullptr) {
    if (is_inside) store_16(args.x + place, sum);
    return;
  }
  vec16 x{};
  float squares = 0;
  if (is_inside) {
    float addend[8] = {};
    add_to(addend, sum);
    x = load_16(args.residual + place);
    squares = add_words(x, addend);
    store_16(args.residual + place, x);
  }
  __syncthreads();  // the memory of the row before is free
  const float total = block_sum(squares, block_memory_as<norm_memory>());
  if (!is_inside) return;
  const float factor = inverse_sqrt(total / static_cast<float>(args.width) + args.eps);
  store_16(args.normed + place, normed(x, factor, args.weight + i));
}

// Which rank sums a row for all, where each does a share: a block's rows take turns.
__device__ __forceinline__ std::uint32_t owner_of(std::uint32_t row, std::uint32_t num_ranks) {
  return (row + row / max_peer_blocks) % num_ranks;
}

// One shot: every rank reads every row of all ranks. Two shots: it reads its share of them, sums it
// in its staging memory, and reads the others' sums there.
template <peer_shots Shots>
__global__ void __launch_bounds__(1024)
    reduce_rows(const __grid_constant__ peer_all_reduce_args args) {
  const std::uint32_t epoch = args.epochs[blockIdx.x];
  const std::size_t half = epoch / 2 % 2 == 0 ? 0 : args.staging_elements;
  const std::uint32_t i = threadIdx.x * 8;
  const bool is_inside = i < args.width;
  bf16* mine = args.peers.staging[args.rank];
  for (std::uint32_t row = blockIdx.x; row < args.num_rows; row += gridDim.x) {
    const std::size_t place = static_cast<std::size_t>(row) * args.width + i;
    if (is_inside) store_16(mine + half + place, load_16(args.addend + place));
  }
  meet_peers(args, epoch + 1);
  if constexpr (Shots == peer_shots::two) {
    // Nobody else reads these rows of this rank before the next meeting.
    for (std::uint32_t row = blockIdx.x; row < args.num_rows; row += gridDim.x) {
      if (!is_inside || owner_of(row, args.num_ranks) != args.rank) continue;
      const std::size_t place = half + static_cast<std::size_t>(row) * args.width + i;
      store_16(mine + place, sum_of_ranks(args, place));
    }
    meet_peers(args, epoch + 2);
  }
  for (std::uint32_t row = blockIdx.x; row < args.num_rows; row += gridDim.x) {
    const std::size_t place = half + static_cast<std::size_t>(row) * args.width + i;
    vec16 sum{};
    if (is_inside && Shots == peer_shots::two) {
      sum = load_16(args.peers.staging[owner_of(row, args.num_ranks)] + place);
    } else if (is_inside) {
      sum = sum_of_ranks(args, place);
    }
    finish_row(args, row, sum);
  }
  if (threadIdx.x == 0) args.epochs[blockIdx.x] = epoch + 2;
}

}  // namespace

launch_error sum_ranks(const sum_ranks_args& args, cuda_stream stream) {
  if (args.num_ranks == 0 || args.num_ranks > max_ranks || args.count % 8 != 0) {
    return launch_error::invalid_value;
  }
  if (args.count == 0) return launch_error::none;
  const auto blocks = static_cast<unsigned>(divide_up<std::uint64_t>(args.count, sum_threads * 8));
  return launch(sum_elements, {blocks, 1, 1}, {sum_threads, 1, 1}, 0, stream, args);
}

launch_error peer_all_reduce(const peer_all_reduce_args& args, cuda_stream stream) {
  const std::uint64_t count = std::uint64_t{args.num_rows} * args.width;
  if (args.num_ranks == 0 || args.num_ranks > max_ranks || args.rank >= args.num_ranks ||
      args.width == 0 || args.width % 8 != 0 || args.width > max_norm_width ||
      count > args.staging_elements) {
    return launch_error::invalid_value;
  }
  if (args.num_rows == 0) return launch_error::none;
  // Each block wants its peers at the same place: as many on every rank, and few enough that all of
  // them are resident at once.
  const std::uint32_t blocks = args.num_rows < max_peer_blocks ? args.num_rows : max_peer_blocks;
  const bool is_long = args.num_ranks > 2 && count * sizeof(bf16) > one_shot_bytes;
  const bool is_twice = args.shots == peer_shots::by_size ? is_long : args.shots == peer_shots::two;
  const launch_meeting meeting{args.peers.staging[0], args.num_ranks, args.abandoned};
  return launch_to_meet(
      meeting, is_twice ? &reduce_rows<peer_shots::two> : &reduce_rows<peer_shots::one>,
      {blocks, 1, 1}, {norm_threads(args.width), 1, 1}, sizeof(norm_memory), stream, args);
}

}  // namespace troupe::cuda
