#include "plan/scenario.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "model/published_shapes.hpp"
#include "sim/gpu_table.hpp"

namespace troupe::planning {
namespace {

constexpr std::array<std::uint32_t, 4> tensor_parallel_sizes{1, 2, 4, 8};
constexpr double gpu_memory_share = 0.9;  // as serve takes of a GPU

failure refuse(std::string message, std::string field) {
  return {error_code::invalid_argument, std::move(message), std::move(field), {}};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

const gpu_model* find_named(const std::string& name) {
  const auto* gpu = find_gpu(name);
  return gpu ? gpu : find_gpu(std::string("rtx").append(name));
}

std::string join(const std::vector<std::string_view>& names) {
  std::string out;
  for (auto name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

// "qwen2.5-7b-instruct" -> "7b"
std::string size_in(std::string name) {
  constexpr std::string_view family = "qwen2.5-", tuned = "-instruct";
  if (name.starts_with("qwen/")) name.erase(0, 5);
  if (name.starts_with(family)) name.erase(0, family.size());
  if (name.ends_with(tuned)) name.resize(name.size() - tuned.size());
  return name;
}

const published_shape* find_published(std::string_view model) {
  const auto wanted = size_in(lower(model));
  const auto* found = std::ranges::find(published_shapes, wanted,
                                        [](const auto& shape) { return lower(shape.name); });
  return found == published_shapes.end() ? nullptr : found;
}

std::vector<layout> layouts_of(const gpu_wish& cards, const plan_request& request) {
  const auto& gpu = *find_gpu(cards.name);
  const auto link =
      request.engine.sim_link == "auto" ? std::string(gpu.link) : request.engine.sim_link;
  std::vector<layout> out;
  for (const auto tp_size : tensor_parallel_sizes) {
    if (cards.count % tp_size != 0) continue;
    if (request.tensor_parallel_size.value_or(tp_size) != tp_size) continue;
    out.push_back({cards.name, tp_size > 1 ? link : "", tp_size, cards.count / tp_size});
  }
  return out;
}

engine_options options_of(const plan_request& request, const layout& where) {
  auto options = request.engine;
  options.device = device_kind::sim;
  options.sim_gpu = where.device;
  options.tensor_parallel_size = where.tp_size;
  options.num_speculative_tokens = 0;  // drawn answers repeat nothing that could be guessed
  if (!options.memory_utilization) options.memory_utilization = gpu_memory_share;
  return options;
}

// Other cards would not help.
bool is_about_the_model(const failure& why) {
  constexpr std::array<std::string_view, 3> flags{"--quantization", "--kv-cache-dtype",
                                                  "--max-model-len"};
  return std::ranges::find(flags, why.field) != flags.end();
}

// What a person can do about it besides what the memory plan says.
std::string find_remedy(const plan_request& request, const planned_model& known, layout where) {
  for (const auto tp_size : tensor_parallel_sizes) {
    if (tp_size <= where.tp_size) continue;
    where.tp_size = tp_size;
    if (plan_shape(options_of(request, where), known))
      return std::string(" ").append(std::to_string(tp_size)) +
             " of these cards as one replica would hold it (--tensor-parallel-size " +
             std::to_string(tp_size) + ").";
  }
  return {};
}

outcome<layout_plan> plan_layout(const plan_request& request, const planned_model& known,
                                 const layout& where, plan_report& report) {
  layout_plan out{.where = where};
  const auto options = options_of(request, where);
  auto plan = plan_shape(options, known);
  if (!plan && is_about_the_model(plan.error())) return plan.error();
  if (!plan) {
    out.misfit = plan.error();
    out.misfit.message += find_remedy(request, known, where);
    return out;
  }
  auto clockwork = find_clockwork(options, *plan);
  if (!clockwork) return clockwork.error();
  out.memory = plan->memory;
  report.limits = plan->limits;
  report.weights = name_of_weights(*plan);
  report.pages = plan->memory.request.kv_dtype;
  const deployment what{.limits = plan->limits,
                        .vocab_size = plan->config.vocab_size,
                        .num_replicas = where.num_replicas,
                        .num_devices = where.num_devices(),
                        .step_seconds = [clockwork = *clockwork](const step_batch& batch) {
                          return clockwork.time(measure_load(batch)).total();
                        }};
  auto rows = run_rows(request, what);
  if (!rows) return rows.error();
  out.rows = *std::move(rows);
  return out;
}

}  // namespace

outcome<gpu_wish> parse_gpu(std::string_view text) {
  const auto colon = text.find(':');
  const auto* gpu = find_named(lower(text.substr(0, colon)));
  if (!gpu)
    return refuse("no GPU is called " + std::string(text.substr(0, colon)) + ", expected one of " +
                      join(gpu_names()),
                  "--gpu");
  gpu_wish out{.name = std::string(gpu->name)};
  if (colon == std::string_view::npos) return out;
  const auto count = text.substr(colon + 1);
  const auto [end, why] = std::from_chars(count.data(), count.data() + count.size(), out.count);
  if (why == std::errc{} && end == count.data() + count.size() && out.count >= 1 &&
      out.count <= most_gpus)
    return out;
  return refuse(std::string("\"").append(text) + "\": expected 1 to " + std::to_string(most_gpus) +
                    " GPUs, as in " + out.name + ":4",
                "--gpu");
}

std::string to_text(const layout& where) {
  auto out = std::to_string(where.num_devices()) + " x " + where.device;
  if (where.num_devices() == 1) return out;
  const auto replicas =
      std::to_string(where.num_replicas) + (where.num_replicas == 1 ? " replica" : " replicas");
  if (where.tp_size == 1) return out + ": " + replicas + " of one each";
  return out + ": " + replicas + " of " + std::to_string(where.tp_size) +
         " ranks (--tensor-parallel-size " + std::to_string(where.tp_size) + ") over " + where.link;
}

outcome<planned_model> find_model(const plan_request& request) {
  planned_model out{.name = request.model};
  if (std::filesystem::is_directory(request.model)) {
    auto config = read_model_config(request.model);
    if (!config) return config.error();
    out.config = *std::move(config);
    return out;
  }
  const auto* shape = find_published(request.model);
  if (!shape) {
    std::vector<std::string_view> names;
    for (const auto& one : published_shapes) names.emplace_back(one.name);
    return refuse(std::string("\"").append(request.model) +
                      "\" is neither a directory nor one of " + join(names) +
                      ", each also as qwen2.5-SIZE",
                  "MODEL");
  }
  out.config = config_of(*shape);
  return out;
}

outcome<std::vector<plan_row>> run_rows(const plan_request& request, const deployment& what) {
  std::vector<plan_row> out;
  for (const auto& row : request.rows) {
    auto load = request.load;
    load.vocab_size = what.vocab_size;
    auto course = run_load(what, load, row);
    if (!course) return course.error();
    const auto devices = static_cast<double>(what.num_devices);
    verdict_rules rules{.ttft_slo_seconds = request.ttft_slo_seconds};
    if (request.usd_per_gpu_hour) rules.usd_per_hour = devices * *request.usd_per_gpu_hour;
    out.push_back(judge(*course, row, rules));
  }
  return out;
}

outcome<plan_report> plan_gpus(const plan_request& request) {
  auto known = find_model(request);
  if (!known) return known.error();
  plan_report report{.model = request.model,
                     .load = request.load,
                     .ttft_slo_seconds = request.ttft_slo_seconds,
                     .usd_per_gpu_hour = request.usd_per_gpu_hour};
  for (const auto& cards : request.gpus) {
    for (const auto& where : layouts_of(cards, request)) {
      auto planned = plan_layout(request, *known, where, report);
      if (!planned) return planned.error();
      report.layouts.push_back(*std::move(planned));
    }
  }
  if (report.layouts.empty())
    return refuse("no number of cards is a multiple of " +
                      std::to_string(request.tensor_parallel_size.value_or(1)),
                  "--tensor-parallel-size");
  report.recommendation = recommend(report);
  return report;
}

outcome<gpu_clockwork> find_clockwork_of(const plan_request& request, const layout& where) {
  auto known = find_model(request);
  if (!known) return known.error();
  const auto options = options_of(request, where);
  auto plan = plan_shape(options, *known);
  if (!plan) return plan.error();
  return find_clockwork(options, *plan);
}

std::string recommend(const plan_report& report) {
  std::array<char, 32> slo{};
  std::snprintf(slo.data(), slo.size(), "%g ms", report.ttft_slo_seconds * 1e3);
  const auto goal = std::string("99 of 100 first tokens within ") + slo.data();
  std::vector<candidate> all;
  std::size_t most_kept = 0;
  for (const auto& one : report.layouts) {
    all.push_back({one.where.num_devices(), to_text(one.where), one.rows});
    most_kept = std::max(most_kept, count_kept(all.back()));
  }
  if (const auto best = choose_smallest(all))
    return std::string("The smallest that keeps ").append(goal) +
           " in every row: " + all[*best].name + ".";
  if (std::ranges::none_of(all, [](const candidate& one) { return !one.rows.empty(); }))
    return "None of these holds the model.";
  if (most_kept == 0)
    return std::string("None keeps ").append(goal) + ", not even in the first row.";
  const auto best = std::ranges::find(all, most_kept, count_kept);
  return std::string("None keeps ").append(goal) + " in every row; " + best->name +
         " does in the first " + std::to_string(most_kept) + " of " +
         std::to_string(best->rows.size()) + ".";
}

}  // namespace troupe::planning
