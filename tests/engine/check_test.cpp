// What is refused before the engine is asked, and in whose words.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "engine/check_request.hpp"
#include "engine/engine_options.hpp"

using namespace troupe;

namespace {

std::string field_of(const std::function<void(engine_options&)>& change) {
  engine_options options{.model_dir = "somewhere"};
  change(options);
  auto checked = check_options(options);
  return checked ? "" : checked.error().field;
}

constexpr std::uint32_t num_logits = 1000;

std::string field_of_request(const std::function<void(generation_request&)>& change) {
  generation_request request{.id = {1}, .prompt = {1, 2, 3}};
  change(request);
  auto checked = check_request(request, {.max_model_len = 64, .num_pages = 64}, num_logits);
  return checked ? "" : checked.error().field;
}

}  // namespace

TEST_CASE("options are refused by the name of their member") {
  CHECK(field_of([](auto&) {}).empty());
  CHECK(field_of([](auto& o) { o.model_dir = ""; }) == "model_dir");
  CHECK(field_of([](auto& o) { o.dtype = "float8"; }) == "dtype");
  CHECK(field_of([](auto& o) { o.max_num_seqs = 0; }) == "max_num_seqs");
  CHECK(field_of([](auto& o) { o.max_num_seqs = 4097; }) == "max_num_seqs");
  CHECK(field_of([](auto& o) { o.max_num_batched_tokens = 0; }) == "max_num_batched_tokens");
  CHECK(field_of([](auto& o) { o.tensor_parallel_size = 3; }) == "tensor_parallel_size");
  CHECK(field_of([](auto& o) { o.threads = 5000; }) == "threads");
  CHECK(field_of([](auto& o) { o.prompt_lookup_min = 1; }) == "prompt_lookup_min");
  CHECK(field_of([](auto& o) { o.memory_utilization = NAN; }) == "memory_utilization");
  CHECK(field_of([](auto& o) { o.kv_cache_bytes = o.num_kv_pages = 9; }) == "num_kv_pages");
  CHECK(field_of([](auto& o) { o.request_timeout = {}; }) == "request_timeout");
}

TEST_CASE("flags in a refusal become members") {
  auto said =
      name_members({.message = "--max-model-len 9 exceeds --gpu-memory-utilization -- or so",
                    .field = "--num-gpu-blocks-override"});
  CHECK(said.message == "max_model_len 9 exceeds memory_utilization -- or so");
  CHECK(said.field == "num_kv_pages");
  CHECK(name_members({.field = "MODEL_DIR"}).field == "model_dir");
}

TEST_CASE("requests are refused by the name of their member") {
  CHECK(field_of_request([](auto&) {}).empty());
  CHECK(field_of_request([](auto& r) { r.sampling.temperature = -1; }) == "temperature");
  CHECK(field_of_request([](auto& r) { r.sampling.temperature = NAN; }) == "temperature");
  CHECK(field_of_request([](auto& r) { r.sampling.top_p = 0; }) == "top_p");
  CHECK(field_of_request([](auto& r) { r.sampling.min_p = 1.5F; }) == "min_p");
  CHECK(field_of_request([](auto& r) { r.sampling.repetition_penalty = 0; }) ==
        "repetition_penalty");
  CHECK(field_of_request([](auto& r) { r.sampling.top_k = -1; }) == "top_k");
  CHECK(field_of_request([](auto& r) { r.sampling.num_logprobs = 21; }) == "num_logprobs");
  CHECK(field_of_request([](auto& r) { r.sampling.min_tokens = 17; }) == "min_tokens");
  CHECK(field_of_request([](auto& r) { r.sampling.max_tokens = 0; }) == "max_tokens");
  CHECK(field_of_request([](auto& r) { r.sampling.max_tokens = 62; }) == "max_tokens");
  CHECK(field_of_request([](auto& r) { r.sampling.stop_token_ids = {1000}; }) == "stop_token_ids");
  CHECK(field_of_request([](auto& r) { r.sampling.logit_bias = {{5, 101.F}}; }) == "logit_bias");
  CHECK(field_of_request([](auto& r) { r.prompt = {}; }) == "prompt");
  CHECK(field_of_request([](auto& r) { r.prompt = {1, -1}; }) == "prompt");
}
