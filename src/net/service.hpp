// What the routes need to know of the house behind them. Facts and handles; nothing here changes
// while the server runs.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/gatekeeper.hpp"
#include "actors/grammar_store.hpp"
#include "actors/load_tester.hpp"
#include "actors/meter.hpp"
#include "actors/replica.hpp"
#include "actors/request_queue.hpp"
#include "core/config.hpp"
#include "core/memory_plan.hpp"
#include "core/sampling.hpp"
#include "text/chat_template.hpp"
#include "text/grammar/grammar.hpp"
#include "text/json.hpp"
#include "text/tokenizer.hpp"

namespace troupe {

struct service {
  std::string model_name;  // as clients write it in "model"
  std::shared_ptr<const tokenizer> words;
  std::shared_ptr<const chat_template> chat;  // null: the model has no chat template that we know
  std::shared_ptr<const grammar_compiler> grammars;
  sampling_params defaults;  // for what a request leaves out
  engine_limits limits;
  std::uint32_t vocab_size = 0;  // width of the logits: ids in requests stay below
  std::uint64_t seed = 0;        // of the seeds drawn for requests without one
  std::int64_t start_time = 0;   // of the server: Unix time, seconds
  // For people who ask what runs here.
  memory_plan memory;
  std::string device = "cpu";  // in words
  std::string weights_type;    // "bfloat16", "float32", "int8", "int4"
  std::string quantization;    // "int8", "int4", "awq", "gptq"; empty: none
  std::uint32_t tensor_parallel_size = 1;
  std::uint32_t threads_per_rank = 1;
  std::chrono::milliseconds executor_timeout{0};
  std::chrono::milliseconds stall_timeout{0};
  request_queue queue;
  meter observer;
  gatekeeper keeper;  // null where no limit needs one
  grammar_store store;
  load_tester tests;  // null: load tests are off
  // From the body of a request for a load test to flags of `troupe bench`.
  std::function<outcome<std::vector<std::string>>(const json_value&)> read_load_test;
  replica copy;
};

}  // namespace troupe
