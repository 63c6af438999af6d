// Runs kernels on the CPU: a thread of a block is a fiber, a warp's instructions meet where its
// lanes meet, and the order in which threads go on is drawn at random. It finds what a GPU run may
// hide: missing barriers, warp instructions with absent or diverged lanes, reads of shared memory
// that nobody wrote, copies read before they are awaited. It does not model time, caches, or races
// of plain loads and stores between two barriers of one schedule.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

struct dim3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

struct CUstream_st;  // what a cudaStream_t points to

namespace simt {

inline constexpr unsigned warp_size = 32;
inline constexpr std::size_t max_shared_bytes = 227 * 1024;  // what sm_90 lends to one block

// What the running thread can ask.
const dim3& thread_index();
const dim3& block_index();
const dim3& block_size();
const dim3& grid_size();
unsigned lane_index();
unsigned warp_index();
// The block's shared memory, poisoned with 0xFF until written.
std::byte* shared_memory();

void block_barrier();
void warp_barrier(unsigned site, unsigned mask);
// Goes on when the scheduler comes by again: what a loop does that waits for another block.
void let_others_run();

// Ends the launch as a failure with this reason. Only within a kernel, whose frames it leaves for
// ever: what they own is lost, so the reason is no std::string.
[[noreturn]] void fault(const char* reason);

// One instruction of a warp. Each lane brings what it has and where its result goes; the last one
// that arrives computes all results.
using lane_inputs = std::array<const void*, warp_size>;
using lane_outputs = std::array<void*, warp_size>;
using warp_instruction = void (*)(const lane_inputs&, const lane_outputs&);
// `site` is the line of the call: lanes that stand at different ones have diverged.
void warp_execute(warp_instruction instruction, unsigned site, unsigned mask, const void* input,
                  void* output);

// An asynchronous copy of 16 bytes. The target is poisoned at once; the bytes arrive when their
// group is awaited and can be seen after the barrier that follows, as on the machine.
void copy_16(std::uint32_t target, const void* source);
void commit_copies();
void await_copies(unsigned groups_left);
std::uint32_t shared_address(const void* p);
// A pointer to `bytes` of shared memory; a fault where there are none, or not so aligned.
std::byte* shared_at(std::uint32_t address, std::size_t bytes);
std::size_t shared_bytes();
// The copies that this thread has awaited can be seen, as after a barrier.
void reveal_copies();

// What works beside the threads of a block (simt/engines.hpp).
class block_unit {
 public:
  block_unit() = default;
  block_unit(const block_unit&) = delete;
  block_unit& operator=(const block_unit&) = delete;
  virtual ~block_unit() = default;
  // Time passes. Whether something came that threads may wait for.
  virtual bool advance() = 0;
  // No thread is left. What is wrong with that; null: nothing.
  virtual const char* finish() = 0;
};
// The running thread's block's, made when it is first asked for.
block_unit& unit_of_block(std::unique_ptr<block_unit> (*make)());
std::uint32_t random_below(std::uint32_t bound);

// Launches that wait for each other: so many of one place, until the word is not 0.
struct launch_meeting {
  const void* place = nullptr;
  std::uint32_t num_launches = 1;
  const std::uint32_t* abandoned = nullptr;
};
struct launch_shape {
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  launch_meeting meeting;  // for who takes launches; run() does not wait
};
// Runs the kernel's body once for each thread, block after block in random order. False: a shape
// that no GPU takes (nothing ran), or a fault: last_fault() says which.
bool run(const launch_shape& shape, const std::function<void()>& body);
// Where launches go that name a stream, instead of being run at once; null: nowhere else. It says
// false where it refuses one.
using launch_taker = bool (*)(CUstream_st* stream, const launch_shape& shape,
                              std::function<void()> body);
void give_launches_to(launch_taker taker);
bool submit(CUstream_st* stream, const launch_shape& shape, std::function<void()> body);

// Every launch within `launches` stays pending; then all their blocks run side by side.
bool run_together(const std::function<void()>& launches);
// Empty after a launch without a fault.
const std::string& last_fault();
// The random order of all that follows.
void seed(std::uint64_t value);

}  // namespace simt
