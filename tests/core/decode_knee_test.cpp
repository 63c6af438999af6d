#include "core/decode_knee.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>

using namespace troupe;

namespace {

decode_knee learn(std::initializer_list<std::uint32_t> sizes, double fixed, double each) {
  decode_knee knee;
  for (int round = 0; round < 50; ++round)
    for (auto n : sizes) knee.note(n, fixed + each * n);
  return knee;
}

double tokens_per_second(double n, double fixed, double each) { return n / (fixed + each * n); }

}  // namespace

TEST_CASE("before steps of two sizes were seen it is the bound") {
  CHECK(decode_knee{}.num_seqs(64) == 64);
  CHECK(learn({4}, 0.01, 0.001).num_seqs(64) == 64);
  CHECK(learn({4, 5, 7}, 0.01, 0.001).num_seqs(64) == 64);
}

TEST_CASE("as many as give nine tenths of what the bound would give") {
  for (double each : {1e-5, 1e-4, 1e-3, 1e-2})
    for (std::uint32_t most : {16U, 64U, 256U}) {
      auto knee = learn({1, 2, 5, 12}, 0.015, each).num_seqs(most);
      auto wanted = 0.9 * tokens_per_second(most, 0.015, each);
      if (knee > 1) CHECK(tokens_per_second(knee, 0.015, each) == doctest::Approx(wanted));
      CHECK(knee <= most);
    }
}

TEST_CASE("where a row costs nothing it is nine tenths of the bound, or the bound") {
  CHECK(learn({1, 8}, 0.015, 1e-9).num_seqs(64) == doctest::Approx(57.6));
  CHECK(learn({1, 8}, 0.015, 0).num_seqs(64) == 64);
}

TEST_CASE("where only rows cost it is one") { CHECK(learn({1, 8}, 0, 0.01).num_seqs(64) == 1); }

TEST_CASE("it follows a device that becomes slower, and forgets no size") {
  auto knee = learn({1, 2, 4, 8}, 0.015, 1e-4);
  auto before = knee.num_seqs(64);
  for (int step = 0; step < 500; ++step)
    for (std::uint32_t n : {4U, 8U}) knee.note(n, 0.015 + 4e-3 * n);
  CHECK(knee.num_seqs(64) < 0.8 * before);
}

TEST_CASE("steps without rows or without time say nothing") {
  auto knee = learn({1, 8}, 0.015, 0.001);
  auto before = knee.num_seqs(64);
  knee.note(0, 1);
  knee.note(4, 0);
  CHECK(knee.num_seqs(64) == before);
}
