// The emulator finds what it promises to find, and lets a right kernel pass.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <string>
#include <vector>

#include "simt/simt.hpp"

namespace simt {
namespace {

unsigned thread_number() { return threadIdx.x; }

bool fails_with(const std::string& what) {
  CAPTURE(last_fault());
  return last_fault().find(what) != std::string::npos;
}

template <class Body>
bool run_block(unsigned threads, std::size_t shared_bytes, const Body& body) {
  return run({{1, 1, 1}, {threads, 1, 1}, shared_bytes}, body);
}

float* floats() { return reinterpret_cast<float*>(shared_memory()); }

TEST_CASE("Every thread of every block runs once") {
  std::vector<int> runs(3 * 2 * 96);
  CHECK(run({{3, 2, 1}, {96, 1, 1}, 0},
            [&] { ++runs[(blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x]; }));
  CHECK(runs == std::vector<int>(runs.size(), 1));
}

TEST_CASE("Shapes that no GPU takes are refused") {
  CHECK_FALSE(run({{0, 1, 1}, {32, 1, 1}, 0}, [] {}));
  CHECK_FALSE(run({{1, 70000, 1}, {32, 1, 1}, 0}, [] {}));
  CHECK_FALSE(run({{1, 1, 1}, {1056, 1, 1}, 0}, [] {}));
  CHECK_FALSE(run({{1, 1, 1}, {32, 1, 1}, max_shared_bytes + 1}, [] {}));
}

// The sum of the block's numbers, with the barrier that it needs or without it.
bool sums_are_right(bool has_barrier) {
  bool is_right = true;
  run_block(256, 256 * sizeof(float), [&] {
    floats()[thread_number()] = static_cast<float>(thread_number());
    if (has_barrier) __syncthreads();
    float sum = 0;
    for (unsigned i = 0; i < 256; ++i) sum += floats()[i];
    if (!(sum == 255 * 128)) is_right = false;
  });
  return is_right;
}

TEST_CASE("A missing barrier shows: shared memory is poison until it is written") {
  CHECK(sums_are_right(true));
  CHECK_FALSE(sums_are_right(false));
}

TEST_CASE("A barrier that some threads never reach is a fault") {
  CHECK_FALSE(run_block(64, 4, [] {
    if (thread_number() < 32) {
      __syncwarp();
      __shfl_xor_sync(~0U, 1, 1);
    } else if (thread_number() < 40) {
      __syncwarp();
    }
  }));
  CHECK(fails_with("deadlock"));
}

TEST_CASE("Threads that have ended do not hold up a barrier") {
  CHECK(run_block(64, 0, [] {
    if (thread_number() < 40) return;
    __syncthreads();
  }));
}

TEST_CASE("Warp instructions with absent or diverged lanes are faults") {
  CHECK_FALSE(run_block(32, 0, [] {
    if (thread_number() < 31) __shfl_xor_sync(~0U, 1, 1);
  }));
  CHECK(fails_with("deadlock"));
  // Not within a macro, which has one line only.
  const auto diverge = [] {
    if (thread_number() < 16) {
      __shfl_xor_sync(~0U, 1, 1);
    } else {
      __shfl_xor_sync(~0U, 1, 1);
    }
  };
  CHECK_FALSE(run_block(32, 0, diverge));
  CHECK(fails_with("lanes of one warp at lines"));
  CHECK_FALSE(run_block(32, 0, [] { __shfl_xor_sync(0xFFFFU, 1, 1); }));
  CHECK(fails_with("some lanes only"));
  CHECK_FALSE(run_block(48, 0, [] { __shfl_xor_sync(~0U, 1, 1); }));
}

TEST_CASE("Shuffles and votes are CUDA's") {
  CHECK(run_block(64, 0, [] {
    const int lane = static_cast<int>(thread_number() % 32);
    if (__shfl_xor_sync(~0U, lane, 5) != (lane ^ 5)) fault("xor");
    if (__shfl_sync(~0U, lane, 7) != 7) fault("broadcast");
    if (__shfl_up_sync(~0U, lane, 3) != (lane >= 3 ? lane - 3 : lane)) fault("up");
    if (__ballot_sync(~0U, lane % 3 == 0) != 0x49249249U) fault("ballot");
  }));
}

TEST_CASE("A copy is poison until it is awaited and a barrier has passed") {
  alignas(16) std::array<float, 4> source{1, 2, 3, 4};
  const auto first_float = [&](bool is_awaited, bool has_barrier) {
    float got = 0;
    CHECK(run_block(32, 64, [&] {
      if (thread_number() == 0) copy_16(0, source.data());
      commit_copies();
      if (is_awaited) await_copies(0);
      if (has_barrier) __syncwarp();
      if (thread_number() == 0) got = floats()[0];
    }));
    return got;
  };
  CHECK(first_float(true, true) == 1.0F);
  CHECK(first_float(false, true) != 1.0F);
  CHECK(first_float(true, false) != 1.0F);
}

TEST_CASE("Only the oldest groups of copies are awaited") {
  alignas(16) std::array<float, 8> source{1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(run_block(32, 64, [&] {
    for (std::uint32_t i = 0; i < 2; ++i) {
      if (thread_number() == 0) copy_16(16 * i, &source[4 * i]);
      commit_copies();
    }
    await_copies(1);
    __syncwarp();
    if (thread_number() == 0 && floats()[0] != 1.0F) fault("the first group has not arrived");
    if (thread_number() == 0 && floats()[4] == 5.0F) fault("the second group has arrived");
  }));
}

TEST_CASE("Shared memory has an end") {
  CHECK_FALSE(run_block(32, 64, [] { floats()[16] = 0; }));
  CHECK(fails_with("past the end"));
  alignas(16) std::array<float, 4> source{};
  CHECK_FALSE(run_block(32, 64, [&] { copy_16(64, source.data()); }));
  CHECK(fails_with("past the end"));
  CHECK_FALSE(run_block(32, 64, [&] { copy_16(8, source.data()); }));
  CHECK(fails_with("not aligned"));
}

std::uint16_t bf16_bits(float x) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16U);
}

// Row-major a [16, 16] and b [16, 8] of small integers by one mma from matrices in shared memory.
TEST_CASE("The tensor instructions multiply matrices") {
  alignas(16) std::array<std::uint16_t, 256> a{};
  alignas(16) std::array<std::uint16_t, 128> b{};  // [n, k]: as mma wants its columns
  std::array<float, 128> expected{};
  for (unsigned i = 0; i < 256; ++i) a[i] = bf16_bits(static_cast<float>(i * 7 % 13));
  for (unsigned i = 0; i < 128; ++i) b[i] = bf16_bits(static_cast<float>(i * 5 % 11));
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned n = 0; n < 8; ++n) {
      for (unsigned k = 0; k < 16; ++k) {
        expected[row * 8 + n] +=
            static_cast<float>((row * 16 + k) * 7 % 13) * static_cast<float>((n * 16 + k) * 5 % 11);
      }
    }
  }
  std::array<float, 128> got{};
  CHECK(run_block(32, 1024, [&] {
    const unsigned lane = thread_number();
    if (lane == 0) {
      std::memcpy(shared_memory(), a.data(), sizeof a);
      std::memcpy(shared_memory() + 512, b.data(), sizeof b);
    }
    __syncwarp();
    std::uint32_t left[4];
    std::uint32_t right[4];
    load_matrices(1, left, lane % 16 * 32 + lane / 16 * 16, false);
    load_matrices(2, right, 512 + lane % 8 * 32 + lane / 8 % 2 * 16, false);
    // The same matrix by the other instruction, twice transposed.
    const std::uint32_t again = transpose(3, transpose(4, right[0]));
    float c[4] = {0, 0, 0, 0};
    multiply_add(5, c, left, again, right[1]);
    for (unsigned i = 0; i < 4; ++i) got[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
  }));
  CHECK(got == expected);
}

TEST_CASE("A transposed load is the transpose of a load") {
  CHECK(run_block(32, 512, [] {
    const unsigned lane = thread_number();
    for (unsigned i = lane; i < 256; i += 32) {
      reinterpret_cast<std::uint16_t*>(shared_memory())[i] = static_cast<std::uint16_t>(i);
    }
    __syncwarp();
    std::uint32_t plain[4];
    std::uint32_t turned[4];
    load_matrices(1, plain, lane * 16, false);
    load_matrices(2, turned, lane * 16, true);
    for (unsigned i = 0; i < 4; ++i) {
      if (transpose(3, plain[i]) != turned[i]) fault("not the transpose");
    }
  }));
}

TEST_CASE("Blocks that wait for each other run together") {
  std::array<std::uint32_t, 2> flags{};
  const auto wait_for_other = [&](unsigned me) {
    flags[me] = 1;
    while (flags[1 - me] == 0) let_others_run();
  };
  CHECK(run_together([&] {
    for (unsigned me = 0; me < 2; ++me) {
      run({{1, 1, 1}, {32, 1, 1}, 0}, [&, me] { wait_for_other(me); });
    }
  }));
}

TEST_CASE("A thread that waits for what never comes is a fault") {
  CHECK_FALSE(run_block(32, 0, [] {
    while (lane_index() < 32) let_others_run();
  }));
  CHECK(fails_with("wait for ever"));
}

}  // namespace
}  // namespace simt
