// The whole forward pass on the emulated GPU against the CPU.
#include <doctest/doctest.h>

#include <cmath>

#include "cpu/weight_rounding.hpp"
#include "cuda/weight_bytes.hpp"
#include "gpu_model.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

// Two layers of bfloat16 activations.
constexpr double bf16_distance = 2e-2;

}  // namespace

TEST_CASE("logits are the CPU's, whatever the chunks") {
  fake_cuda::use_emulator();
  test_replica cpu = cpu_replica();
  test_replica gpu = gpu_replica(gpu_options());
  const test_sequence sequence = prompt_in(1, 49);
  const auto wanted = logits_in_chunks(cpu, sequence, 49);
  for (const std::uint32_t chunk : {49U, 17U, 1U}) {
    CAPTURE(chunk);
    CHECK(distance(logits_in_chunks(gpu, sequence, chunk), wanted) < bf16_distance);
  }
}

TEST_CASE("masks may come when the logits are there, and a row without its mask does not sample") {
  fake_cuda::use_emulator();
  for (const std::uint32_t ranks : {1U, 2U}) {
    CAPTURE(ranks);
    test_replica replica = gpu_replica(gpu_options(ranks));
    check_late_masks(replica, prompt_in(0, 9), prompt_in(1, 5), 200);
  }
}

TEST_CASE("what is planned is what is allocated") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(1, 1U << 28U);
  cuda_runner_options options = gpu_options();
  SUBCASE("pages of bfloat16") {}
  SUBCASE("pages of bytes") { options.kv = cuda::kv_format::e4m3; }
  SUBCASE("weights of bytes") { options.has_byte_weights = true; }
  const cuda_memory planned = value_of(measure_cuda_memory(gpu_config(), options));
  {
    const auto model = gpu_model(options);
    const auto runners = make_model_runners(model);
    const std::uint64_t all = planned.weight_bytes + planned.activation_bytes +
                              planned.other_bytes + planned.kv_page_bytes * options.num_pages;
    // Vectors are held twice, and loading has a workspace of its own.
    CHECK(fake_cuda::peak_device_bytes() <= all + all / 100);
    CHECK(fake_cuda::peak_device_bytes() >= all - all / 100);
  }
  CHECK(fake_cuda::num_live_objects() == 0);
  fake_cuda::set_gpus(1);
}

TEST_CASE("keys and values of a byte: logits near the CPU's, in half the memory") {
  fake_cuda::use_emulator();
  test_replica cpu = cpu_replica();
  const test_sequence sequence = prompt_in(1, 49);
  const auto wanted = logits_in_chunks(cpu, sequence, 49);
  for (const std::uint32_t tp_size : {1U, 2U}) {
    cuda_runner_options options = gpu_options(tp_size);
    const auto of_bfloat16 = value_of(measure_cuda_memory(gpu_config(), options)).kv_page_bytes;
    options.kv = cuda::kv_format::e4m3;
    const auto of_bytes = value_of(measure_cuda_memory(gpu_config(), options)).kv_page_bytes;
    CHECK(of_bytes * 64 * 2 == of_bfloat16 * 65);
    test_replica gpu = gpu_replica(options);
    for (const std::uint32_t chunk : {49U, 17U, 1U}) {
      CAPTURE(chunk);
      const double apart = distance(logits_in_chunks(gpu, sequence, chunk), wanted);
      CHECK(apart < 6e-2);
      CHECK(apart > 1e-4);
    }
  }
}

TEST_CASE("prompts by warpgroups: logits are the CPU's, whatever the chunks and the ranks") {
  fake_cuda::use_emulator();
  test_replica cpu = cpu_replica();
  const test_sequence sequence = prompt_in(1, 49);
  const test_sequence longer = prompt_in(2, 120);
  const auto wanted = logits_in_chunks(cpu, sequence, 49);
  for (const std::uint32_t tp_size : {1U, 2U}) {
    cuda_runner_options options = gpu_options(tp_size);
    test_replica other = gpu_replica(options);
    options.prefill = cuda::prefill_kernel::wgmma;
    test_replica gpu = gpu_replica(options);
    for (const std::uint32_t chunk : {49U, 17U, 1U}) {
      CAPTURE(chunk);
      CHECK(distance(logits_in_chunks(gpu, sequence, chunk), wanted) < bf16_distance);
    }
    // It is another kernel than without the option: sums of more than 64 keys are rounded
    // elsewhere.
    CHECK(logits_in_chunks(gpu, longer, 60) != logits_in_chunks(other, longer, 60));
    options.deterministic = true;
    test_replica same = gpu_replica(options);
    CHECK(logits_in_chunks(same, sequence, 49) == logits_in_chunks(same, sequence, 1));
  }
}

TEST_CASE("pages of bytes have one kernel for prompts, whatever was asked for") {
  fake_cuda::use_emulator();
  const test_sequence sequence = prompt_in(1, 30);
  cuda_runner_options options = gpu_options();
  options.kv = cuda::kv_format::e4m3;
  test_replica plain = gpu_replica(options);
  options.prefill = cuda::prefill_kernel::wgmma;
  test_replica asked = gpu_replica(options);
  CHECK(logits_in_chunks(asked, sequence, 30) == logits_in_chunks(plain, sequence, 30));
}

TEST_CASE("prompts by warpgroups are refused where the GPU has none") {
  const model_config config = gpu_config();
  cuda_runner_options options = gpu_options();
  options.prefill = cuda::prefill_kernel::wgmma;
  for (const int capability : {89, 100}) {
    fake_cuda::set_compute_capability(capability);
    const auto refused = load_cuda_model(config, gpu_weights(config), options);
    fake_cuda::set_compute_capability(90);
    REQUIRE(!refused);
    CHECK(refused.error().field == "prefill-attention");
  }
}

TEST_CASE("weights of int8: logits near the CPU's, whatever the chunks and the ranks") {
  fake_cuda::use_emulator();
  test_replica cpu = cpu_replica();
  const test_sequence sequence = prompt_in(1, 49);
  const auto wanted = logits_in_chunks(cpu, sequence, 49);
  for (const std::uint32_t tp_size : {1U, 2U}) {
    cuda_runner_options options = gpu_options(tp_size);
    options.has_byte_weights = true;
    test_replica gpu = gpu_replica(options);
    const auto whole = logits_in_chunks(gpu, sequence, 49);
    CHECK(distance(whole, wanted) < bf16_distance);
    for (const std::uint32_t chunk : {17U, 1U}) {
      CHECK(distance(logits_in_chunks(gpu, sequence, chunk), whole) < bf16_distance);
    }
    options.deterministic = true;
    test_replica same = gpu_replica(options);
    CHECK(logits_in_chunks(same, sequence, 49) == logits_in_chunks(same, sequence, 1));
  }
}

TEST_CASE("weights become the bytes that they become on the CPU") {
  std::vector<float> row(704);
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = std::sin(static_cast<float>(i * i)) * (i < 128 ? 0.0F : 0.01F * static_cast<float>(i));
  }
  row[600] = 1e-6F;
  integer_row expected;
  kernels::round_to_integers(row, 8, expected);
  std::vector<std::int8_t> bytes(row.size());
  std::vector<float16> scales(num_groups(704));
  cuda::round_to_bytes(row, bytes.data(), scales.data());
  CHECK(scales == expected.scales);
  for (std::size_t i = 0; i < row.size(); ++i) REQUIRE(bytes[i] == expected.values[i] - 128);
}

TEST_CASE("shapes that the kernels cannot do are refused in a sentence") {
  const auto refusal_of = [](const model_config& config, const cuda_runner_options& options) {
    const auto made = measure_cuda_memory(config, options);
    return made ? std::string() : made.error().message;
  };
  model_config config = gpu_config();
  config.head_dim = 80;
  CHECK(refusal_of(config, gpu_options()).find("64 and 128") != std::string::npos);
  config = gpu_config();
  config.num_attention_heads = 32;
  CHECK(refusal_of(config, gpu_options()).find("16 query heads") != std::string::npos);
  config = gpu_config();
  config.intermediate_size = 8 * 25;
  cuda_runner_options of_bytes = gpu_options();
  of_bytes.has_byte_weights = true;
  CHECK(refusal_of(config, gpu_options()).empty());
  CHECK(refusal_of(config, of_bytes).find("multiple of 16") != std::string::npos);
  config = gpu_config();
  config.hidden_size = 132;
  CHECK(refusal_of(config, gpu_options()).find("132") != std::string::npos);
  CHECK(refusal_of(gpu_config(), gpu_options(16)).find("At most 8") != std::string::npos);
}

TEST_CASE("without a driver, or with too few GPUs, loading says so") {
  const model_config config = gpu_config();
  fake_cuda::set_gpus(0);
  const auto none = load_cuda_model(config, gpu_weights(config), gpu_options());
  REQUIRE(!none);
  CHECK(none.error().message == "No GPU can be used: no driver.");
  fake_cuda::set_gpus(2);
  cuda_runner_options options = gpu_options(4);
  options.ranks_share_gpu = false;
  const auto few = load_cuda_model(config, gpu_weights(config), options);
  REQUIRE(!few);
  CHECK(few.error().message == "A tensor parallel size of 4 needs 4 GPUs; this machine has 2.");
  fake_cuda::set_gpus(1);
}
