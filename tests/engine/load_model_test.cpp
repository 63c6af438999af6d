#include "engine/load_model.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

engine_options demo_options() {
  engine_options options;
  options.model_dir = TROUPE_DEMO_MODEL;
  return options;
}

}  // namespace

TEST_CASE("the demo model is planned with its own numbers") {
  auto plan = plan_model(demo_options());
  REQUIRE(plan);
  CHECK(plan->name == "demo");
  CHECK(plan->chat);
  CHECK(plan->limits.max_model_len == plan->config.max_context());
  CHECK(plan->limits.eos_token_ids == plan->defaults.eos_token_ids);
  CHECK(plan->limits.num_pages == plan->memory.num_pages);
  // No more pages than all slots can fill.
  CHECK(plan->limits.num_pages == plan->limits.max_num_seqs * plan->limits.max_model_len / 16);
}

TEST_CASE("a context longer than the model's is refused with both numbers") {
  auto options = demo_options();
  options.max_model_len = 1U << 20;
  auto plan = plan_model(options);
  REQUIRE_FALSE(plan);
  CHECK(plan.error().field == "--max-model-len");
  CHECK(plan.error().message.find("1048576") != std::string::npos);
}

TEST_CASE("a KV cache that holds no request of the whole context is refused") {
  auto options = demo_options();
  options.num_kv_pages = 3;
  auto plan = plan_model(options);
  REQUIRE_FALSE(plan);
  CHECK(plan.error().message.find("--max-model-len") != std::string::npos);
}

TEST_CASE("sequences in a step are no more than its rows") {
  auto options = demo_options();
  options.max_num_batched_tokens = 16;
  auto plan = plan_model(options);
  REQUIRE(plan);
  CHECK(plan->limits.max_num_seqs == 16);
}

TEST_CASE("a directory that is none is refused by name") {
  auto options = demo_options();
  options.model_dir = "/nonexistent-model";
  auto plan = plan_model(options);
  REQUIRE_FALSE(plan);
  CHECK((plan.error().message + plan.error().field).find("nonexistent-model") != std::string::npos);
}

TEST_CASE("dummy weights need no weight files") {
  auto options = demo_options();
  options.format = load_format::dummy;
  options.num_kv_pages = 512;
  auto plan = plan_model(options);
  REQUIRE(plan);
  auto runners = load_runners(*plan, options);
  REQUIRE(runners);
  CHECK((*runners)().size() == 1);
}

TEST_CASE("int8 pages take half the bytes, and the plan says what they hold") {
  auto options = demo_options();
  options.max_num_seqs = 4;
  auto wide = plan_model(options);
  REQUIRE(wide);
  CHECK(wide->memory.request.kv_dtype == "bfloat16");
  options.kv_dtype = kv_cache_dtype::int8;
  auto narrow = plan_model(options);
  REQUIRE(narrow);
  CHECK(narrow->memory.request.kv_dtype == "int8");
  // 64 dimensions a head: 256 bytes of a token become 134.
  CHECK(narrow->memory.request.kv_page_bytes * 256 == wide->memory.request.kv_page_bytes * 134);
  CHECK(to_text(narrow->memory).find("bytes each, int8") != std::string::npos);
  options.kv_cache_bytes = 64U << 20;
  narrow = plan_model(options);
  options.kv_dtype = kv_cache_dtype::bf16;
  wide = plan_model(options);
  REQUIRE(narrow);
  REQUIRE(wide);
  CHECK(narrow->limits.num_pages > wide->limits.num_pages * 19 / 10);
}

TEST_CASE("fp8 pages are a GPU's") {
  auto options = demo_options();
  options.kv_dtype = kv_cache_dtype::fp8;
  const auto plan = plan_model(options);
  REQUIRE(!plan);
  CHECK(plan.error().field == "--kv-cache-dtype");
}

TEST_CASE("devices that store no keys refuse a type for them") {
  auto options = demo_options();
  options.kv_dtype = kv_cache_dtype::int8;
  for (const auto device : {device_kind::null, device_kind::sim}) {
    options.device = device;
    auto plan = plan_model(options);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().field == "--kv-cache-dtype");
  }
}
