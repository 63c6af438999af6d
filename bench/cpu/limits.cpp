#include "limits.hpp"

#include <algorithm>

#include "cpu/pair_instruction.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace troupe::bench {
namespace {

constexpr int num_rounds = 20'000;
constexpr int num_sums = 24;  // far more than latency times throughput

// The compiler makes vectors of the machine's width.
__attribute__((noinline)) double plain_floats() {
  float sums[num_sums * 4] = {};
  float factor = 0.999F;
  for (int i = 0; i < num_rounds; ++i) {
    asm volatile("" : "+x"(factor));
    for (float& sum : sums) sum = sum * factor + factor;
  }
  float total = 0;
  for (const float sum : sums) total += sum;
  asm volatile("" ::"x"(total));
  return 2.0 * num_rounds * num_sums * 4;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"), noinline)) double avx2_floats() {
  __m256 sums[12];
#pragma GCC unroll 24
  for (auto& sum : sums) {
    sum = _mm256_setzero_ps();
    asm volatile("" : "+v"(sum));  // sums that are known to be equal would become one
  }
  const __m256 factor = _mm256_set1_ps(0.999F);
  for (int i = 0; i < num_rounds; ++i) {
#pragma GCC unroll 12
    for (int s = 0; s < 12; ++s) sums[s] = _mm256_fmadd_ps(sums[s], factor, factor);
  }
#pragma GCC unroll 24
  for (const auto& sum : sums) asm volatile("" ::"x"(sum));
  return 2.0 * num_rounds * 12 * 8;
}

__attribute__((target("avx512f"), noinline)) double avx512_floats() {
  __m512 sums[num_sums];
#pragma GCC unroll 24
  for (auto& sum : sums) {
    sum = _mm512_setzero_ps();
    asm volatile("" : "+v"(sum));  // sums that are known to be equal would become one
  }
  const __m512 factor = _mm512_set1_ps(0.999F);
  for (int i = 0; i < num_rounds; ++i) {
#pragma GCC unroll 24
    for (int s = 0; s < 24; ++s) sums[s] = _mm512_fmadd_ps(sums[s], factor, factor);
  }
#pragma GCC unroll 24
  for (const auto& sum : sums) asm volatile("" ::"v"(sum));
  return 2.0 * num_rounds * num_sums * 16;
}
#endif

#if TROUPE_PAIR_INSTRUCTION
__attribute__((target("avx512f,avx512bf16"), noinline)) double avx512_pairs() {
  __m512 sums[num_sums];
#pragma GCC unroll 24
  for (auto& sum : sums) {
    sum = _mm512_setzero_ps();
    asm volatile("" : "+v"(sum));  // sums that are known to be equal would become one
  }
  const auto pairs = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3F003F00));
  for (int i = 0; i < num_rounds; ++i) {
#pragma GCC unroll 24
    for (int s = 0; s < 24; ++s) sums[s] = _mm512_dpbf16_ps(sums[s], pairs, pairs);
  }
#pragma GCC unroll 24
  for (const auto& sum : sums) asm volatile("" ::"v"(sum));
  return 2.0 * num_rounds * num_sums * 32;
}

__attribute__((target("avx512f,avx512vnni"), noinline)) double avx512_bytes() {
  __m512i sums[num_sums];
#pragma GCC unroll 24
  for (auto& sum : sums) {
    sum = _mm512_setzero_si512();
    asm volatile("" : "+v"(sum));  // sums that are known to be equal would become one
  }
  const __m512i bytes = _mm512_set1_epi32(0x01010101);
  for (int i = 0; i < num_rounds; ++i) {
#pragma GCC unroll 24
    for (int s = 0; s < 24; ++s) sums[s] = _mm512_dpbusd_epi32(sums[s], bytes, bytes);
  }
#pragma GCC unroll 24
  for (const auto& sum : sums) asm volatile("" ::"v"(sum));
  return 2.0 * num_rounds * num_sums * 64;
}
#endif

std::uint64_t read_plainly(const std::uint64_t* words, std::size_t count) {
  std::uint64_t sums[8] = {};
  for (std::size_t i = 0; i + 8 <= count; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += words[i + lane];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) std::uint64_t read_by_lines(const std::uint64_t* words,
                                                               std::size_t count) {
  __m512i sums[4];
#pragma GCC unroll 24
  for (auto& sum : sums) sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i + 32 <= count; i += 32) {
#pragma GCC unroll 4
    for (std::size_t lane = 0; lane < 4; ++lane) {
      sums[lane] = _mm512_add_epi64(sums[lane], _mm512_loadu_si512(words + i + lane * 8));
    }
  }
  alignas(64) std::uint64_t lanes[4][8];
  for (std::size_t i = 0; i < 4; ++i) _mm512_store_si512(lanes[i], sums[i]);
  std::uint64_t total = 0;
  for (const auto& row : lanes) {
    for (const std::uint64_t lane : row) total += lane;
  }
  return total;
}
#endif

std::uint64_t sum_of(const std::uint64_t* words, std::size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return read_by_lines(words, count);
#endif
  return read_plainly(words, count);
}

void read_all(const std::uint64_t* words, std::size_t count) {
  const std::uint64_t sum = sum_of(words, count);
  asm volatile("" ::"r"(sum));  // else nothing would have to be read
}

}  // namespace

memory_walk::memory_walk(std::size_t bytes_a_step)
    : words_(total_bytes / sizeof(std::uint64_t)),
      words_a_step_(bytes_a_step / sizeof(std::uint64_t)) {
  // Pages that nobody has written are all the same one.
  std::ranges::fill(words_.span(), 1);
}

void memory_walk::step(thread_pool& pool) {
  constexpr std::uint32_t parts = 16;
  const std::size_t count = words_a_step_ / parts;
  pool.parallel_for(parts, [&](std::uint32_t i, std::uint32_t) {
    read_all(words_.data() + next_ + i * count, count);
  });
  next_ = (next_ + words_a_step_) % words_.size();
}

double multiply_floats() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return avx512_floats();
  if (__builtin_cpu_supports("fma") != 0) return avx2_floats();
#endif
  return plain_floats();
}

double multiply_pairs() {
#if TROUPE_PAIR_INSTRUCTION
  if (kernels::uses_pair_instruction()) return avx512_pairs();
#endif
  return multiply_floats();
}

double multiply_bytes() {
#if TROUPE_PAIR_INSTRUCTION
  if (kernels::uses_pair_instruction()) return avx512_bytes();
#endif
  return multiply_floats();
}

}  // namespace troupe::bench
