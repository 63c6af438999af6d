// Every expected number is worked out by hand beside it.
#include "sim/step_time.hpp"

#include <doctest/doctest.h>

#include "model/published_shapes.hpp"

using namespace troupe;

namespace {

model_cost cost_of_7b(std::uint32_t tp_size) {
  const auto config = config_of(published_shapes[3]);
  const auto plan = plan_shard(config, tp_size, 0);
  REQUIRE(plan);
  return measure_cost(config, *plan);
}

// Sequences that decode one token with `context` positions behind and under them.
step_load decode(std::uint32_t num_seqs, std::uint32_t context) {
  step_batch batch;
  for (std::uint32_t slot = 0; slot < num_seqs; ++slot)
    batch.chunks.push_back(
        {.slot = slot, .num_tokens = 1, .first_position = context - 1, .sample = true});
  return measure_load(batch);
}

double ms(double seconds) { return seconds * 1e3; }

doctest::Approx near(double value) { return doctest::Approx(value).epsilon(0.003); }

}  // namespace

TEST_CASE("the load of a step is counted chunk by chunk") {
  step_batch batch;
  batch.chunks = {{.num_tokens = 3, .first_position = 10},
                  {.num_tokens = 1, .first_position = 99, .sample = true}};
  const auto load = measure_load(batch);
  CHECK(load.num_rows == 4);
  CHECK(load.num_logit_rows == 1);
  CHECK(load.num_read == 13 + 100);
  CHECK(load.num_attended == 11 + 12 + 13 + 100);
}

TEST_CASE("the 7B model costs what its shape says") {
  const auto cost = cost_of_7b(1);
  // 28 layers of 3584 * (4608 + 3584 + 3 * 18944) weights, 4608 biases and 2 * 3584 norm weights.
  CHECK(cost.layer_elements == 28ULL * (3584ULL * 65024 + 4608 + 7168));
  CHECK(cost.head_elements == 152064ULL * 3584);
  CHECK(cost.kv_bytes_per_position == 57344);
  CHECK(cost.flops_per_attended == 28ULL * 4 * 28 * 128);
  CHECK(cost_of_7b(4).kv_bytes_per_position == 57344 / 4);
  CHECK(cost_of_7b(4).row_bytes == 7168);
}

TEST_CASE("one sequence decodes at the speed of the memory") {
  const auto parts =
      time_step(*find_gpu("h200"), *find_link("nvlink4"), cost_of_7b(1), decode(1, 512));
  CHECK(ms(parts.weights) == near(3.035));      // 13.05 GB at 4.3 TB/s
  CHECK(ms(parts.lm_head) == near(0.2535));     // 1.09 GB
  CHECK(ms(parts.attention) == near(0.00683));  // 512 * 57,344 B
  CHECK(ms(parts.boundaries) == near(0.364));   // 280 kernels * 1.3 us
  CHECK(parts.all_reduce == 0);
  CHECK(ms(parts.sampling) == near(0.015));
  CHECK(ms(parts.total()) == near(3.9226));  // 3.2955 / 0.93 + 0.364 + 0.015
}

TEST_CASE("many sequences decode at the speed of the arithmetic") {
  const auto parts =
      time_step(*find_gpu("h200"), *find_link("nvlink4"), cost_of_7b(1), decode(256, 512));
  CHECK(ms(parts.weights) == near(4.229));    // 2 * 6.525e9 * 256 / 790 TFLOP/s
  CHECK(ms(parts.lm_head) == near(0.3532));   // 2 * 0.545e9 * 256 / 790 TFLOP/s
  CHECK(ms(parts.attention) == near(1.748));  // 256 * 512 * 57,344 B
  CHECK(ms(parts.sampling) == near(0.100));
}

TEST_CASE("a prompt costs its arithmetic") {
  step_batch batch;
  batch.chunks = {{.num_tokens = 2048, .sample = true}};
  const auto parts =
      time_step(*find_gpu("h200"), *find_link("nvlink4"), cost_of_7b(1), measure_load(batch));
  CHECK(ms(parts.weights) == near(33.83));    // 2 * 6.525e9 * 2048 / 790 TFLOP/s
  CHECK(ms(parts.attention) == near(1.531));  // 2048 * 2049 / 2 * 401,408 / 550 TFLOP/s
}

TEST_CASE("four cards without peer access pay for every all-reduce") {
  const auto& gpu = *find_gpu("rtx4090d");
  const auto cost = cost_of_7b(4);
  const auto step = [&](std::uint32_t num_seqs, const char* link) {
    const auto parts = time_step(gpu, *find_link(link), cost, decode(num_seqs, 1024));
    return ms(parts.total() - parts.sampling);
  };
  // 3.521 / 0.93 + 0.364 + 56 * (35 us + 1.5 * 7,168 B / 10 GB/s)
  CHECK(step(1, "pcie") == near(6.170));
  // 3.735 / 0.93 + 0.364 + 56 * (35 us + 1.5 * 114,688 B / 10 GB/s)
  CHECK(step(16, "pcie") == near(7.303));
  // 4.440 / 0.93 + 0.364 + 56 * (35 us + 1.5 * 458,752 B / 10 GB/s)
  CHECK(step(64, "pcie") == near(10.95));
  CHECK(step(64, "pcie-p2p") == near(7.513));
}

TEST_CASE("bytes take half the time of bfloat16, up to 64 rows") {
  const auto config = config_of(published_shapes[3]);
  const auto shard = plan_shard(config, 1, 0);
  REQUIRE(shard);
  const auto cost = measure_cost(config, *shard, {.byte_weights = true, .byte_pages = true});
  // 28 layers, keys and values, 4 heads of 128 bytes and an exponent.
  CHECK(cost.kv_bytes_per_position == 28 * 2 * 4 * 129);
  const auto time = [&](std::uint32_t num_seqs) {
    return time_step(*find_gpu("h200"), *find_link("nvlink4"), cost, decode(num_seqs, 512));
  };
  CHECK(ms(time(1).weights) == near(1.541));  // 6.525e9 * (1 + 2 / 128) B at 4.3 TB/s
  CHECK(ms(time(64).weights) == near(1.541));
  CHECK(ms(time(65).weights) == near(7.612));      // and as bfloat16 written and read
  CHECK(ms(time(1).attention) == near(0.003440));  // 512 * 28,896 B
}

TEST_CASE("a step without rows takes no time") {
  CHECK(time_step(*find_gpu("a100"), *find_link("nvlink3"), cost_of_7b(1), {}).total() == 0);
}

TEST_CASE("every GPU of the table names a link of the table") {
  CHECK(gpu_names().size() == 5);
  for (const auto name : gpu_names()) {
    const auto* gpu = find_gpu(name);
    REQUIRE(gpu);
    CHECK(find_link(gpu->link));
    CHECK(gpu->attention_flops < gpu->gemm_flops);
  }
  CHECK_FALSE(find_gpu("rtx4091"));
  CHECK_FALSE(find_link("token-ring"));
}
