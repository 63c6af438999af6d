#include <cstdlib>
#include <utility>

#include "plan/report.hpp"

namespace troupe::planning {
namespace {

// As it stands in the table, so that a program reads the same number.
json_value number(double value, int digits) {
  return std::strtod(fixed(value, digits).c_str(), nullptr);
}

void add(json_object& out, const char* name, json_value value) {
  out.emplace_back(std::string(name), std::move(value));
}

json_value optional_number(const std::optional<double>& value, int digits) {
  return value ? number(*value, digits) : json_value();
}

json_object row_json(const plan_row& row) {
  json_object out;
  if (row.what.concurrency == 0)
    add(out, "rate", number(row.what.rate, 2));
  else
    add(out, "concurrency", std::int64_t{row.what.concurrency});
  add(out, "ttft_mean_ms", number(row.ttft_mean * 1e3, 1));
  add(out, "ttft_p50_ms", number(row.ttft_p50 * 1e3, 1));
  add(out, "ttft_p99_ms", number(row.ttft_p99 * 1e3, 1));
  add(out, "itl_mean_ms", number(row.itl_mean * 1e3, 2));
  add(out, "itl_p99_ms", number(row.itl_p99 * 1e3, 2));
  add(out, "requests_per_second", number(row.requests_per_second, 2));
  add(out, "output_tokens_per_second", number(row.output_per_second, 1));
  add(out, "total_tokens_per_second", number(row.total_per_second, 1));
  add(out, "kv_use_percent", number(row.kv_share * 100, 1));
  add(out, "preemptions", static_cast<std::int64_t>(row.num_preemptions));
  add(out, "busy_percent", number(row.busy_share * 100, 1));
  add(out, "stable", row.is_stable);
  add(out, "why_not_stable", row.why_not);
  add(out, "keeps_slo", row.keeps_slo);
  add(out, "usd_per_million_output_tokens", optional_number(row.usd_per_million_output, 3));
  add(out, "usd_per_million_tokens", optional_number(row.usd_per_million_total, 3));
  return out;
}

json_value memory_json(const layout_plan& one) {
  if (!one.memory) return {};
  const auto& plan = *one.memory;
  json_object out;
  const auto count = [&](const char* name, std::uint64_t value) {
    add(out, name, static_cast<std::int64_t>(value));
  };
  count("weight_bytes", plan.request.weight_bytes);
  count("activation_bytes", plan.request.activation_bytes);
  count("margin_bytes", plan.request.margin_bytes);
  count("kv_cache_bytes", plan.kv_bytes);
  count("planned_bytes", plan.planned_bytes);
  add(out, "planned_mib", number(planned_mib(plan), 0));
  count("total_bytes", plan.request.total_bytes.value_or(0));
  count("kv_pages", plan.num_pages);
  count("kv_tokens", plan.cached_tokens);
  return out;
}

json_value layout_json(const layout_plan& one) {
  json_object out;
  add(out, "name", to_text(one.where));
  add(out, "device", one.where.device);
  add(out, "link", one.where.link);
  add(out, "devices", std::int64_t{one.where.num_devices()});
  add(out, "tensor_parallel_size", std::int64_t{one.where.tp_size});
  add(out, "replicas", std::int64_t{one.where.num_replicas});
  add(out, "fits", one.memory.has_value());
  add(out, "why_not", one.misfit.message);
  add(out, "memory_of_each", memory_json(one));
  json_array rows;
  for (const auto& row : one.rows) rows.emplace_back(row_json(row));
  add(out, "rows", std::move(rows));
  return out;
}

json_value load_json(const plan_report& report) {
  json_object out;
  add(out, "input_tokens", to_text(report.load.input));
  add(out, "output_tokens", to_text(report.load.output));
  add(out, "shared_prefix_tokens", std::int64_t{report.load.shared_prefix_tokens});
  add(out, "turnaround_ms", number(report.load.turnaround_seconds * 1e3, 1));
  add(out, "seconds", number(report.load.seconds, 1));
  add(out, "seed", static_cast<std::int64_t>(report.load.seed));
  return out;
}

}  // namespace

json_value to_json(const plan_report& report) {
  json_object out;
  add(out, "simulated", true);
  add(out, "model", report.model);
  add(out, "weights", report.weights);
  add(out, "kv_cache_dtype", report.pages);
  add(out, "load", load_json(report));
  add(out, "ttft_slo_ms", number(report.ttft_slo_seconds * 1e3, 1));
  add(out, "usd_per_gpu_hour", optional_number(report.usd_per_gpu_hour, 3));
  json_array measured;
  for (const auto& step : report.measured) {
    json_object one;
    add(one, "rows", std::int64_t{step.shape.rows});
    add(one, "logit_rows", std::int64_t{step.shape.logit_rows});
    add(one, "context", std::int64_t{step.shape.context});
    add(one, "ms", number(step.seconds * 1e3, 3));
    measured.emplace_back(std::move(one));
  }
  add(out, "measured_steps", std::move(measured));
  json_array layouts;
  for (const auto& one : report.layouts) layouts.emplace_back(layout_json(one));
  add(out, "layouts", std::move(layouts));
  add(out, "recommendation", report.recommendation);
  return out;
}

}  // namespace troupe::planning
