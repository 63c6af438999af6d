// A model directory and the options become everything that serving needs: memory plan first, then
// weights, then runners.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/config.hpp"
#include "core/memory_plan.hpp"
#include "core/outcome.hpp"
#include "core/sampling.hpp"
#include "cpu/cpu_runner.hpp"
#include "cuda/cuda_runner.hpp"
#include "engine/engine_options.hpp"
#include "model/model_config.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace troupe {

// What is known before any weight is read.
struct planned_model {
  std::string name;
  model_config config;
  generation_defaults defaults;
  std::shared_ptr<const tokenizer> words;
  std::optional<chat_template> chat;  // none: the directory has no template that we know
  engine_limits limits;
  cpu_runner_options runner;  // of the CPU; its types of weights are every device's
  memory_plan memory;
  std::string device;  // in words, for those who ask what runs here
};

// The device has been settled (engine/cuda_device.hpp).
outcome<planned_model> plan_model(const engine_options& options);
// The same for a model whose name, configuration and defaults are known. Without words every id of
// its vocabulary is a token.
outcome<planned_model> plan_shape(const engine_options& options, planned_model known);

// "bfloat16", "float32", "int8", "int4"
std::string name_of_weights(const planned_model& plan);
// Who made the integers: "awq" or "gptq", or we ("int8", "int4"); empty where there are none.
std::string name_of_quantization(const planned_model& plan);

// How the model's publishers would have it sampled.
sampling_params default_sampling(const planned_model& plan);

// Bytes of weights on the GPUs so far, and of all; only GPUs say so.
using load_progress = std::function<void(std::uint64_t done, std::uint64_t all)>;
// What people should know that ends no request.
using device_warning = std::function<void(const std::string& what)>;
// Reads and packs the weights.
outcome<runner_factory> load_runners(const planned_model& plan, const engine_options& options,
                                     load_progress on_progress = {},
                                     device_warning on_warning = {});
// The same for the ranks of this node, which meet those of the others; on the CPU by `meet`.
// Refuses devices that compute nothing.
outcome<rank_factory> load_ranks(const planned_model& plan, const engine_options& options,
                                 host_meeting meet, load_progress on_progress = {},
                                 device_warning on_warning = {});

}  // namespace troupe
