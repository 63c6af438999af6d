// What is planned: a model, devices, a load; and what comes of it. Every number of a GPU is
// simulated, and says so.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/memory_plan.hpp"
#include "core/outcome.hpp"
#include "engine/engine_options.hpp"
#include "engine/load_model.hpp"
#include "engine/simulated_device.hpp"
#include "plan/load.hpp"
#include "plan/verdict.hpp"
#include "plan/virtual_house.hpp"

namespace troupe::planning {

struct gpu_wish {
  std::string name;  // of sim/gpu_table.hpp
  std::uint32_t count = 1;
};
inline constexpr std::uint32_t most_gpus = 64;
// "4090d", "rtx4090d:4": a name of the table, with or without its rtx, and 1 to most_gpus of them.
outcome<gpu_wish> parse_gpu(std::string_view text);

struct plan_request {
  std::string model;      // a directory, or a published model such as qwen2.5-7b or 7b
  engine_options engine;  // its device, GPU and ranks are set for each layout
  std::vector<gpu_wish> gpus;
  std::optional<std::uint32_t> tensor_parallel_size;  // none: all that the cards allow
  load_shape load;
  std::vector<load_case> rows;
  double ttft_slo_seconds = 1;
  std::optional<double> usd_per_gpu_hour;
};

// So many cards as replicas of so many ranks.
struct layout {
  std::string device;  // "rtx4090d", "cpu"
  std::string link;    // between ranks; empty with one
  std::uint32_t tp_size = 1, num_replicas = 1;
  std::uint32_t num_devices() const { return tp_size * num_replicas; }
};
std::string to_text(const layout& where);

struct layout_plan {
  layout where;
  std::optional<memory_plan> memory;  // of each device of a replica; none: it does not fit
  failure misfit;                     // then: which number to change
  std::vector<plan_row> rows;
};

struct shape_count {
  std::uint32_t rows = 0, logit_rows = 0, context = 0;
};
// A step that was measured here.
struct measured_step {
  shape_count shape;
  double seconds = 0;
};

struct plan_report {
  std::string model;           // as it was asked for
  std::string weights, pages;  // formats: "bfloat16", "int8"
  engine_limits limits;        // of a replica; the pages are each layout's own
  load_shape load;
  double ttft_slo_seconds = 1;
  std::optional<double> usd_per_gpu_hour;
  std::vector<layout_plan> layouts;
  std::vector<measured_step> measured;  // of the CPU; empty with GPUs
  std::string recommendation;           // a sentence
};

// The model's configuration and, where there is a directory, its words.
outcome<planned_model> find_model(const plan_request& request);
// The rows of the request's load on one deployment.
outcome<std::vector<plan_row>> run_rows(const plan_request& request, const deployment& what);
// All layouts of all GPUs. A layout that does not fit is no failure, an unknown model is.
outcome<plan_report> plan_gpus(const plan_request& request);
// What steps take in a layout of the request's model that fits.
outcome<gpu_clockwork> find_clockwork_of(const plan_request& request, const layout& where);
// The smallest layout that keeps the SLO in all rows, in a sentence.
std::string recommend(const plan_report& report);

}  // namespace troupe::planning
