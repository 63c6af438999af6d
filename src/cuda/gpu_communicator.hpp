// How the ranks of a replica meet on GPUs. Operations are enqueued on the caller's stream, which is
// this rank's; all pointers are memory of its device.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/kernels.hpp"
#include "model/communicator.hpp"

namespace troupe::cuda {

class gpu_communicator : public communicator {
 public:
  // x[i] = sum over the ranks of their x[i]: the same bits on every rank. A multiple of 8 elements.
  virtual void all_reduce(bf16* x, std::uint64_t count, cuda_stream stream) = 0;
  // all[r * num_bytes ..] = rank r's mine.
  virtual void all_gather(const void* mine, std::size_t num_bytes, void* all,
                          cuda_stream stream) = 0;
  // Rank 0's bytes on every rank.
  virtual void broadcast(void* data, std::size_t num_bytes, cuda_stream stream) = 0;
  // Whether operations can be part of a graph.
  virtual bool can_be_captured() const = 0;
  // Throws device_error if the communicator was aborted or a peer failed. Called again and again
  // by this rank's thread while it waits for the device: what was enqueued here may never be done
  // otherwise.
  virtual void check() = 0;
};

// One rank: there is nobody to meet.
std::unique_ptr<gpu_communicator> make_single_communicator();

// Ranks that are threads of this process and share one device: for tests, and for machines with
// fewer GPUs than ranks. Sums are in rank order.
std::vector<std::unique_ptr<gpu_communicator>> make_shared_gpu_communicators(std::uint32_t size);

// What the ranks of one group must know before they can meet. Plain bytes, made by one rank and
// carried to the others, which may live in another process or machine.
using group_id = std::array<char, 128>;
group_id make_group_id();

struct nccl_options {
  group_id group{};
  // Shared by the ranks of the group in this process: one that fails or is told to stop releases
  // all. Ranks elsewhere learn of it from NCCL, or from who looks after them.
  std::shared_ptr<std::atomic<bool>> is_aborted = std::make_shared<std::atomic<bool>>(false);
  std::uint32_t rank = 0;
  std::uint32_t size = 1;
  int device_index = 0;
  // Sums in rank order whatever the message's size: gathers, then adds. Costs size times the
  // memory of max_elements and its transfer.
  bool rank_order = false;
  std::uint64_t max_elements = 0;  // of an all_reduce; only with rank_order
};
// Waits until all ranks of the group are here, or throws device_error after `timeout_ms`.
std::unique_ptr<gpu_communicator> make_nccl_communicator(const nccl_options& options,
                                                         std::uint32_t timeout_ms);

struct peer_sums {
  std::uint32_t width = 0;         // of the rows that are added: a multiple of 8
  std::uint64_t max_elements = 0;  // of a sum
};
// The same ranks, all of them threads of this process, rank r on GPU r, in order. Where the GPUs
// reach each other's memory, sums of whole rows up to two_shot_bytes are one kernel on each, in
// rank order, and all else is left to `others`, which throw when they are asked after an abort.
// Where they do not, `others` come back.
std::vector<std::unique_ptr<gpu_communicator>> make_peer_communicators(
    std::vector<std::unique_ptr<gpu_communicator>> others, const peer_sums& sums);

}  // namespace troupe::cuda
