#include "core/memory_plan.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

constexpr std::uint64_t mib = 1U << 20;

// 1000 MiB of weights, 1 MiB a page.
memory_request small_request() {
  memory_request r;
  r.weight_bytes = 1000 * mib;
  r.activation_bytes = 50 * mib;
  r.margin_bytes = 100 * mib;
  r.kv_page_bytes = mib;
  r.total_bytes = 2000 * mib;
  r.max_model_len = 4096;
  r.max_num_seqs = 64;
  r.max_num_batched_tokens = 512;
  return r;
}

std::string message_of(const memory_request& request) {
  auto plan = plan_memory(request);
  REQUIRE_FALSE(plan);
  return plan.error().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the rest of the memory becomes pages") {
  memory_request request = small_request();
  request.total_bytes = 2000 * mib + mib / 2;  // half a page more than pages fill
  auto plan = plan_memory(request);
  REQUIRE_MESSAGE(plan, plan.error().message);
  CHECK(plan->num_pages == 850);
  CHECK(plan->kv_bytes == 850 * mib);
  CHECK(plan->planned_bytes == 2000 * mib);
  CHECK(plan->cached_tokens == 13'600);
  CHECK(plan->longest_request_tokens == 4096);
  CHECK(plan->typical_request_tokens == 2048);
  CHECK(plan->concurrent_requests == 6);  // 850 / 128
}

TEST_CASE("the KV cache's size may be given instead, as bytes or pages") {
  memory_request request = small_request();
  request.kv_cache_bytes = 300 * mib + 5;
  CHECK(plan_memory(request)->num_pages == 300);
  request.total_bytes.reset();
  CHECK(plan_memory(request)->num_pages == 300);
  request.kv_cache_bytes.reset();
  request.num_pages = 256;
  auto plan = plan_memory(request);
  REQUIRE(plan);
  CHECK(plan->num_pages == 256);
  CHECK(plan->planned_bytes == 1406 * mib);
}

TEST_CASE("concurrency is bounded by seats, and short models count their own length") {
  memory_request request = small_request();
  request.max_num_seqs = 2;
  CHECK(plan_memory(request)->concurrent_requests == 2);
  request.max_num_seqs = 64;
  request.max_model_len = 1000;
  CHECK(plan_memory(request)->typical_request_tokens == 1000);
  CHECK(plan_memory(request)->concurrent_requests == 13);  // 850 / 63
}

TEST_CASE("a plan that does not fit says which number to change") {
  memory_request request = small_request();
  request.total_bytes = 1000 * mib;
  // 1150 fixed and 256 pages for one request of 4096 tokens.
  CHECK(contains(message_of(request), "set --memory to at least 1406 MiB"));
  request.total_bytes = 1200 * mib;
  CHECK(contains(message_of(request), "50 pages"));
  CHECK(contains(message_of(request), "set --memory to at least 1406 MiB"));
  CHECK(contains(message_of(request), "--max-model-len to at most 800"));
  request.total_bytes = 1406 * mib;
  CHECK(plan_memory(request));
  request.total_bytes = 1406 * mib - 1;
  CHECK_FALSE(plan_memory(request));

  request = small_request();
  request.total_flag = "--gpu-memory-utilization";
  request.num_pages = 900;
  CHECK(contains(message_of(request), "--gpu-memory-utilization is 2000.0 MiB"));
  CHECK(plan_memory(request).error().field == "--gpu-memory-utilization");
  request.num_pages = 255;
  CHECK(contains(message_of(request), "set --num-gpu-blocks-override to at least 256"));
  request.num_pages.reset();
  request.kv_cache_bytes = 10;
  CHECK(contains(message_of(request), "set --kv-cache-memory-bytes to at least 256 MiB."));
}

TEST_CASE("requests that make no sense are refused") {
  memory_request request = small_request();
  request.num_pages = 300;
  request.kv_cache_bytes = mib;
  CHECK(contains(message_of(request), "give one of them"));
  request = small_request();
  request.total_bytes.reset();
  CHECK(contains(message_of(request), "Neither --memory nor"));
  request = small_request();
  request.max_model_len = 0;
  CHECK(contains(message_of(request), "--max-model-len must be at least 1"));
  request = small_request();
  request.max_num_seqs = 0;
  CHECK(contains(message_of(request), "--max-num-seqs must be at least 1"));
  request = small_request();
  request.kv_page_bytes = 0;
  CHECK(contains(message_of(request), "0 bytes"));
}

TEST_CASE("sizes near the end of 64 bits do not wrap") {
  memory_request request = small_request();
  request.weight_bytes = ~0ULL - 5;
  CHECK_FALSE(plan_memory(request));
  request = small_request();
  request.num_pages = ~0ULL;
  request.kv_page_bytes = 1ULL << 40U;
  CHECK(contains(message_of(request), "raise it or make the KV cache smaller"));
  request = small_request();
  request.total_bytes = ~0ULL;
  request.kv_page_bytes = 1;
  CHECK(plan_memory(request)->num_pages == 0xFFFFFFFFU);
}

TEST_CASE("the plan reads as a sum") {
  const std::string text = to_text(*plan_memory(small_request()));
  CHECK(
      text ==
      "        1000.0 MiB  weights\n"
      "+         50.0 MiB  activations of one step of 512 rows (--max-num-batched-tokens)\n"
      "+        100.0 MiB  margin\n"
      "+        850.0 MiB  KV cache: 850 pages of 16 tokens, 1048576 bytes each\n"
      "=       2000.0 MiB  of 2000.0 MiB (--memory); 0.0 MiB stay free\n"
      "Tokens that the KV cache holds: 13600\n"
      "Longest single request: 4096 tokens (--max-model-len)\n"
      "Most concurrent requests of 2048 tokens: 6 (the pages hold 6, --max-num-seqs allows 64)\n");
  memory_request request = small_request();
  request.total_bytes.reset();
  request.num_pages = 256;
  CHECK(contains(to_text(*plan_memory(request)), "=       1406.0 MiB  in all\n"));
}
