// What works beside the threads of a block does what PTX says, late, and what breaks its contract
// shows.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <string>
#include <vector>

#include "simt/async_copies.hpp"
#include "simt/async_products.hpp"
#include "simt/simt.hpp"

namespace simt {
namespace {

constexpr unsigned group_threads = 128;
constexpr std::uint32_t barrier = 0;  // in shared memory
constexpr std::uint32_t left_at = 1024;
constexpr std::uint32_t right_at = left_at + 64 * 128;

bool fails_with(const std::string& what) {
  CAPTURE(last_fault());
  return last_fault().find(what) != std::string::npos;
}

template <class Body>
bool run_group(const Body& body, unsigned threads = group_threads) {
  return run({{1, 1, 1}, {threads, 1, 1}, right_at + 128 * 128}, body);
}

std::uint16_t bf16_bits(float x) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16U);
}

// [rows, 64] of small integers.
float element(unsigned row, unsigned column) {
  return static_cast<float>((row * 64 + column) * 7 % 13) - 6;
}
std::vector<std::uint16_t> matrix(unsigned rows) {
  std::vector<std::uint16_t> out;
  for (unsigned i = 0; i < rows * 64; ++i) out.push_back(bf16_bits(element(i / 64, i % 64)));
  return out;
}

struct rows_in_memory {
  explicit rows_in_memory(unsigned rows)
      : numbers(matrix(rows)),
        map{reinterpret_cast<const std::byte*>(numbers.data()), 64, rows, rows} {}
  std::vector<std::uint16_t> numbers;
  tensor_map map;
};

void prepare_barrier(std::uint32_t arrivals) {
  if (threadIdx.x == 0) make_barrier(barrier, arrivals);
  show_to_engines(1);
  __syncthreads();
}
void await(std::uint32_t parity) {
  while (!has_passed(barrier, parity)) let_others_run();
}
// Both into shared memory, in patterns.
void copy_matrices(const rows_in_memory& left, const rows_in_memory& right) {
  prepare_barrier(1);
  if (threadIdx.x == 0) {
    arrive_at(barrier, (left.map.box_rows + right.map.box_rows) * 128);
    copy_box(left_at, left.map, 0, 0, barrier);
    copy_box(right_at, right.map, 0, 0, barrier);
  }
  await(0);
}

// Patterns of 1024 bytes back to back.
std::uint64_t describe(std::uint32_t place, unsigned mode = 1) {
  return place >> 4U | std::uint64_t{1024 >> 4U} << 32U | std::uint64_t{mode} << 62U;
}

TEST_CASE("A box lands after its barrier was told to expect it, in its pattern") {
  const rows_in_memory source(16);
  for (unsigned turn = 0; turn < 8; ++turn) {
    CHECK(run_group([&] {
      prepare_barrier(1);
      tensor_map map = source.map;
      map.num_rows = 12;
      if (threadIdx.x == 0) {
        arrive_at(barrier, 16 * 128);
        copy_box(left_at, map, 0, 0, barrier);
      }
      await(0);
      for (unsigned i = threadIdx.x; i < 16 * 64; i += group_threads) {
        const unsigned row = i / 64;
        const unsigned place = left_at + row * 128 + ((i % 64 / 8) ^ (row % 8)) * 16 + i % 8 * 2;
        std::uint16_t bits = 0;
        std::memcpy(&bits, shared_memory() + place, 2);
        if (bits != (row < 12 ? source.numbers[i] : 0)) fault("another number");
      }
    }));
  }
}

TEST_CASE("A copy that nobody awaits is poison for some time, or outlives its block") {
  const rows_in_memory source(8);
  unsigned num_late = 0;
  for (unsigned turn = 0; turn < 20; ++turn) {
    run_group([&] {
      prepare_barrier(1);
      if (threadIdx.x != 0) return;
      arrive_at(barrier, 8 * 128);
      copy_box(left_at, source.map, 0, 0, barrier);
      std::uint16_t bits = 0;
      std::memcpy(&bits, shared_memory() + left_at, 2);
      if (bits != 0xFFFF) fault("it has come at once");
    });
    if (fails_with("before its copies")) ++num_late;
  }
  CHECK(num_late > 0);
}

TEST_CASE("A phase ends when all have arrived and all bytes have come") {
  const rows_in_memory source(8);
  CHECK(run_group([&] {
    prepare_barrier(2);
    if (has_passed(barrier, 0) || !has_passed(barrier, 1)) fault("the first phase");
    if (threadIdx.x == 0) {
      arrive_at(barrier, 8 * 128);
      copy_box(left_at, source.map, 0, 0, barrier);
    }
    for (unsigned i = 0; i < 200; ++i) let_others_run();
    __syncthreads();
    if (has_passed(barrier, 0)) fault("one arrival is missing");
    __syncthreads();
    if (threadIdx.x == 1) arrive_at(barrier, 0);
    await(0);
    if (has_passed(barrier, 1)) fault("the second phase");
  }));
  CHECK_FALSE(run_group([&] {
    prepare_barrier(1);
    if (threadIdx.x == 0) arrive_at(barrier, 8 * 128);
    await(0);
  }));
  CHECK(fails_with("wait for ever"));
  CHECK_FALSE(run_group([&] {
    prepare_barrier(1);
    if (threadIdx.x == 0) arrive_at(barrier, 16);
    __syncthreads();
    arrive_at(barrier, 0);
  }));
  CHECK(fails_with("more arrivals"));
}

TEST_CASE("Copies want a barrier that was made and shown, and a place that begins a pattern") {
  const rows_in_memory source(8);
  CHECK_FALSE(run_group([&] { arrive_at(barrier, 0); }));
  CHECK(fails_with("nobody has made"));
  CHECK_FALSE(run_group([&] {
    if (threadIdx.x != 0) return;
    make_barrier(barrier, 1);
    copy_box(left_at, source.map, 0, 0, barrier);
  }));
  CHECK(fails_with("do not know yet"));
  CHECK_FALSE(run_group([&] {
    prepare_barrier(1);
    if (threadIdx.x == 0) copy_box(left_at + 128, source.map, 0, 0, barrier);
  }));
  CHECK(fails_with("within a pattern"));
}

// [64, 64] by the transpose of [n, 64], or with fragments by [64, n = 64] itself.
void multiply(float (&sums)[32], bool has_fragments) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned row = threadIdx.x / 32 * 16 + lane / 4;
  std::array<std::array<std::uint32_t, 4>, 4> fragments{};
  for (unsigned k = 0; k < 4; ++k) {
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned at = k * 16 + lane % 4 * 2 + i / 2 * 8;
      fragments[k][i] = bf16_bits(element(row + i % 2 * 8, at)) |
                        static_cast<std::uint32_t>(bf16_bits(element(row + i % 2 * 8, at + 1)))
                            << 16U;
    }
  }
  begin_products(1);
  for (unsigned k = 0; k < 4; ++k) {
    async_product product{.c = &sums[0], .n = 64, .adds = k > 0};
    if (has_fragments) {
      product.a = fragments[k].data();
      product.b_matrix = describe(right_at + k * 2 * 1024);
    } else {
      product.a_matrix = describe(left_at + k * 32);
      product.b_matrix = describe(right_at + k * 32);
    }
    multiply_async(2, product);
  }
  commit_products(3);
  await_products(4, 0);
}

TEST_CASE("A warpgroup multiplies matrices, b's rows or b's columns side by side") {
  const rows_in_memory left(64);
  const rows_in_memory right(64);
  for (const bool has_fragments : {false, true}) {
    CHECK(run_group([&] {
      copy_matrices(left, right);
      float sums[32];
      multiply(sums, has_fragments);
      for (unsigned i = 0; i < 32; ++i) {
        const unsigned row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 + i / 2 % 2 * 8;
        const unsigned column = i / 4 * 8 + threadIdx.x % 4 * 2 + i % 2;
        float wanted = 0;
        for (unsigned k = 0; k < 64; ++k) {
          wanted += element(row, k) * (has_fragments ? element(k, column) : element(column, k));
        }
        if (sums[i] != wanted) fault("another sum");
      }
    }));
  }
}

// One multiplication, and around it what breaks its contract.
enum class mistake { none, no_fence, touched, other_matrix, no_pattern, within_pattern, no_wait };

void multiply_once(mistake made) {
  float sums[32] = {};
  async_product product{
      .c = &sums[0], .n = 64, .a_matrix = describe(left_at), .b_matrix = describe(right_at)};
  if (made == mistake::other_matrix && threadIdx.x >= 96) product.b_matrix = describe(left_at);
  if (made == mistake::no_pattern) product.b_matrix = describe(right_at, 0);
  if (made == mistake::within_pattern) product.b_matrix = describe(right_at + 128);
  if (made != mistake::no_fence) begin_products(1);
  multiply_async(2, product);
  commit_products(3);
  if (sums[0] == sums[0]) fault("sums that are there at once");
  if (made == mistake::touched) sums[5] = 0;
  if (made == mistake::no_wait) return;
  await_products(4, 0);
}

TEST_CASE("Multiplications that break their contract are faults") {
  const rows_in_memory left(64);
  const rows_in_memory right(64);
  const auto run_with = [&](mistake made) {
    return run_group([&] {
      copy_matrices(left, right);
      multiply_once(made);
    });
  };
  CHECK(run_with(mistake::none));
  for (const auto& [made, what] :
       {std::pair{mistake::no_fence, "no fence"}, std::pair{mistake::touched, "were written"},
        std::pair{mistake::other_matrix, "different matrices"},
        std::pair{mistake::no_pattern, "no pattern"},
        std::pair{mistake::within_pattern, "within a pattern"},
        std::pair{mistake::no_wait, "before its multiplications"}}) {
    CHECK_FALSE(run_with(made));
    CHECK(fails_with(what));
  }
  CHECK_FALSE(run_group([&] {
    copy_matrices(left, right);
    if (threadIdx.x < 96) multiply_once(mistake::none);
  }));
  CHECK(fails_with("some warps of a warpgroup did not do"));
}

TEST_CASE("The tensor cores see what was written only when it was shown to them") {
  const auto has_sums = [&](bool is_shown) {
    bool has = true;
    CHECK(run_group([&] {
      for (unsigned i = threadIdx.x; i < 128 * 32; i += group_threads) {
        reinterpret_cast<std::uint32_t*>(shared_memory() + left_at)[i] = 0x3F803F80U;  // ones
      }
      if (is_shown) show_to_engines(1);
      named_barrier(1, group_threads, true);
      float sums[32] = {};
      begin_products(2);
      multiply_async(
          3,
          {.c = &sums[0], .n = 64, .a_matrix = describe(left_at), .b_matrix = describe(right_at)});
      commit_products(4);
      await_products(5, 0);
      if (sums[0] != 16) has = false;
    }));
    return has;
  };
  CHECK(has_sums(true));
  CHECK_FALSE(has_sums(false));
}

TEST_CASE("Named barriers open when all have come, those that only tell included") {
  CHECK(run_group(
      [] {
        int* written = reinterpret_cast<int*>(shared_memory());
        if (threadIdx.x >= group_threads) {
          written[threadIdx.x] = 1;
          named_barrier(3, 2 * group_threads, false);
          return;
        }
        named_barrier(3, 2 * group_threads, true);
        if (written[threadIdx.x + group_threads] != 1) fault("it opened too early");
      },
      2 * group_threads));
  CHECK_FALSE(run_group([] { named_barrier(3, 2 * group_threads, false); }));
  CHECK(fails_with("some threads came to"));
}

TEST_CASE("Registers are there when others have lent them") {
  // Of 384 threads each has 168 at first.
  const auto borrow = [](unsigned lent) {
    return run_group(
        [&] {
          const unsigned group = threadIdx.x / group_threads;
          if (group == 2) return set_registers(1, lent, false);
          set_registers(2, 240, true);
        },
        3 * group_threads);
  };
  CHECK(borrow(24));
  CHECK_FALSE(borrow(32));
  CHECK(fails_with("wait for ever"));
  CHECK_FALSE(run_group([] { set_registers(1, 128, true); }));  // of 255
  CHECK(fails_with("go the other way"));
}

}  // namespace
}  // namespace simt
