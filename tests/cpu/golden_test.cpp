// Against the answers of Hugging Face transformers for a small random model.
#include <doctest/doctest.h>

#include <iostream>

#include "golden.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

struct tolerance {
  float logits;
  float gap;  // above it, the highest logit must be the same
};

void check_against(const char* file, dtype type, std::uint32_t tp_size, tolerance allowed) {
  const loaded_model tiny = load_tiny();
  test_replica replica(
      value_of(load_cpu_model(tiny.config, tiny.weights, small_options(type, tp_size, 1))));
  auto golden = read_npz(golden_models() / "golden" / file);
  for (int length : {1, 7, 64, 300, 1000}) {
    CAPTURE(length);
    const golden_distance d = compare_with_golden(replica, golden, length, allowed.gap);
    MESSAGE(to_string(type) << " tp " << tp_size << " prompt " << length << ": top16 " << d.top16
                            << " lse " << d.lse << " last " << d.last);
    CHECK(d.top16 <= allowed.logits);
    CHECK(d.lse <= allowed.logits);
    CHECK(d.last <= allowed.logits);
    CHECK(d.argmax == 0);
    CHECK(d.greedy == 0);
  }
}

}  // namespace

TEST_CASE("float32 logits and greedy tokens are the recorded ones") {
  if (golden_models().empty()) return;
  check_against("tiny_f32.npz", dtype::float32, 1, {2e-4F, 1e-3F});
}

TEST_CASE("bfloat16 logits stay near the recorded ones") {
  if (golden_models().empty()) return;
  check_against("tiny_f32.npz", dtype::bfloat16, 1, {3e-2F, 6e-2F});
}

TEST_CASE("two and four ranks give the recorded float32 answers") {
  if (golden_models().empty()) return;
  check_against("tiny_f32.npz", dtype::float32, 2, {2e-4F, 1e-3F});
  check_against("tiny_f32.npz", dtype::float32, 4, {2e-4F, 1e-3F});
}
