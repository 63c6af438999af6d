#include "load/report_json.hpp"

#include <algorithm>
#include <cmath>

#include "text/json_builder.hpp"

namespace troupe::load {
namespace {

constexpr double ms = 1e3;

// Negative stands for "not known".
void known(json_builder& json, std::string_view name, double value, double unit = 1) {
  json.key(name);
  if (value < 0) {
    json.null();
  } else {
    json.value(value * unit);
  }
}

void append_counts(json_builder& json, std::string_view name, const failure_counts& counts) {
  json.key(name).begin_object();
  for (auto& [kind, times] : counts) json.field(kind, times);
  json.end_object();
}

void append_histogram(json_builder& json, std::string_view name, const latency_histogram& times) {
  json.key(name).begin_object().field("count", times.count());
  json.field("mean_ms", times.mean() * ms).field("std_ms", times.deviation() * ms);
  json.field("min_ms", times.min() * ms).field("max_ms", times.max() * ms);
  for (auto [word, q] : {std::pair{"p50_ms", 0.5},
                         {"p90_ms", 0.9},
                         {"p95_ms", 0.95},
                         {"p99_ms", 0.99},
                         {"p99_9_ms", 0.999}})
    json.field(word, times.quantile(q) * ms);
  json.field("sum_s", times.sum()).field("sum_of_squares", times.sum_of_squares());
  json.field("min_s", times.min()).field("max_s", times.max());
  json.key("buckets").begin_array();
  for (auto [index, count] : times.buckets())
    json.begin_array().value(index).value(count).end_array();
  json.end_array().end_object();
}

void append_totals(json_builder& json, const request_totals& t) {
  json.key("totals").begin_object();
  json.field("scheduled", t.scheduled).field("sent", t.sent).field("succeeded", t.succeeded);
  json.field("rejected", t.rejected).field("failed", t.failed).field("aborted", t.aborted);
  json.field("late", t.late).field("good", t.good).field("success_share", t.success_share());
  json.field("prompt_tokens", t.prompt_tokens).field("cached_tokens", t.cached_tokens);
  json.field("output_tokens", t.output_tokens);
  json.field("sent_bytes", t.sent_bytes).field("received_bytes", t.received_bytes);
  append_counts(json, "failures", t.failures);
  append_counts(json, "rejections", t.rejections);
  json.end_object();
}

void append_stage(json_builder& json, const stage_result& stage) {
  json.begin_object().field("name", stage.name).field("kind", to_string(stage.kind));
  json.field("offered_rate", stage.offered_rate).field("users", stage.users);
  json.field("start_s", stage.start).field("duration_s", stage.duration);
  json.field("drained_s", stage.drained);
  json.field("is_judged", stage.is_judged).field("is_stable", stage.is_stable);
  json.field("request_throughput", stage.request_throughput());
  json.field("output_throughput", stage.output_throughput());
  json.field("request_goodput", stage.goodput());
  known(json, "peak_memory_bytes", stage.peak_memory_bytes);
  append_totals(json, stage.totals);
  json.key("latencies").begin_object();
  append_histogram(json, "ttft", stage.times.ttft);
  append_histogram(json, "itl", stage.times.itl);
  append_histogram(json, "tpot", stage.times.tpot);
  append_histogram(json, "e2e", stage.times.e2e);
  append_histogram(json, "max_gap", stage.times.max_gap);
  append_histogram(json, "rejected_e2e", stage.times.rejected_e2e);
  append_histogram(json, "failed_e2e", stage.times.failed_e2e);
  append_histogram(json, "lag", stage.times.lag);
  json.end_object().end_object();
}

void append_quantiles(json_builder& json, std::string_view name, const quantiles& q) {
  json.key(name).begin_object();
  known(json, "p50_ms", q.p50, ms);
  known(json, "p95_ms", q.p95, ms);
  known(json, "p99_ms", q.p99, ms);
  json.end_object();
}

void append_server(json_builder& json, const server_sample& s) {
  json.key("server").begin_object();
  known(json, "kv_use", s.kv_use);
  known(json, "waiting", s.waiting);
  known(json, "running", s.running);
  known(json, "replicas", s.replicas);
  known(json, "memory_bytes", s.memory_bytes);
  known(json, "load", s.load);
  json.end_object();
}

void append_second(json_builder& json, const second_point& p) {
  json.begin_object().field("second", p.second).field("stage", p.stage).field("users", p.users);
  json.field("due", p.due).field("sent", p.sent).field("succeeded", p.succeeded);
  json.field("rejected", p.rejected).field("failed", p.failed).field("aborted", p.aborted);
  append_counts(json, "failures", p.failures);
  json.field("in_flight", p.in_flight).field("output_tokens", p.output_tokens);
  append_quantiles(json, "ttft", p.ttft);
  append_quantiles(json, "itl", p.itl);
  append_quantiles(json, "e2e", p.e2e);
  append_quantiles(json, "lag", p.lag);
  append_server(json, p.server);
  json.end_object();
}

void append_environment(json_builder& json, const environment& e) {
  json.key("environment").begin_object();
  json.field("url", e.url).field("api", e.api).field("is_stream", e.is_stream);
  json.field("model", e.model).field("server", e.server).key("server_info");
  if (e.server_info.empty()) {
    json.null();
  } else {
    json.raw(e.server_info);
  }
  json.field("client", e.client).field("machine", e.machine);
  json.field("command_line", e.command_line).field("plan", e.plan).field("arrival", e.arrival);
  json.field("prompts", e.prompts).field("seed", e.seed).field("workers", e.workers);
  json.field("started_at", e.started_at).end_object();
}

// The fields that `vllm bench serve --save-result` has, with its units.
void append_vllm_times(json_builder& json, const std::string& what, const latency_histogram& t) {
  auto field = [&](const std::string& stat, double seconds) {
    json.field(stat + "_" + what + "_ms", seconds * ms);
  };
  field("mean", t.mean());
  field("median", t.quantile(0.5));
  field("std", t.deviation());
  field("p50", t.quantile(0.5));
  field("p90", t.quantile(0.9));
  field("p95", t.quantile(0.95));
  field("p99", t.quantile(0.99));
}

void append_vllm_fields(json_builder& json, const run_record& run) {
  auto& all = run.overall;
  std::uint64_t most_tokens = 0, most_in_flight = 0;
  for (auto& point : run.series) {
    most_tokens = std::max(most_tokens, point.output_tokens);
    most_in_flight = std::max(most_in_flight, point.in_flight);
  }
  json.field("date", run.where.started_at).field("endpoint_type", run.where.api);
  json.field("model_id", run.where.model).field("num_prompts", all.totals.scheduled);
  json.key("request_rate");
  if (all.offered_rate > 0) {
    json.value(all.offered_rate);
  } else {
    json.null();
  }
  json.field("duration", all.seconds()).field("completed", all.totals.succeeded);
  json.field("failed", all.totals.failed).field("rejected", all.totals.rejected);
  json.field("aborted", all.totals.aborted);
  json.field("total_input_tokens", all.totals.prompt_tokens);
  json.field("total_output_tokens", all.totals.output_tokens);
  json.field("request_throughput", all.request_throughput());
  json.field("request_goodput", all.goodput());
  json.field("output_throughput", all.output_throughput());
  auto both = static_cast<double>(all.totals.prompt_tokens + all.totals.output_tokens);
  json.field("total_token_throughput", all.seconds() > 0 ? both / all.seconds() : 0.0);
  json.field("max_output_tokens_per_s", most_tokens);
  json.field("max_concurrent_requests", most_in_flight);
  append_vllm_times(json, "ttft", all.times.ttft);
  append_vllm_times(json, "tpot", all.times.tpot);
  append_vllm_times(json, "itl", all.times.itl);
  append_vllm_times(json, "e2el", all.times.e2e);
}

void append_verification(json_builder& json, const run_record& run) {
  auto& v = run.verified;
  json.key("verification").begin_object();
  json.field("num_canaries", v.num_canaries).field("num_mismatches", v.num_mismatches);
  json.field("num_schema_answers", v.num_schema_answers);
  json.field("num_schema_errors", v.num_schema_errors);
  json.field("reference_requests", run.reference_requests);
  json.key("examples").begin_array();
  for (auto& example : v.examples) json.value(example);
  json.end_array().end_object();
}

}  // namespace

void append_report_json(std::string& out, const run_record& run) {
  json_builder json(out);
  json.begin_object().field("schema", "troupe-bench");
  json.field("schema_version", report_schema_version);
  json.field("verdict", to_string(run.verdict)).field("duration_s", run.duration);
  json.field("is_interrupted", run.is_interrupted);
  append_vllm_fields(json, run);
  append_environment(json, run.where);
  json.key("slo").begin_array();
  for (auto& one : run.slo)
    json.begin_object()
        .field("clause", one.clause)
        .field("wanted", one.wanted)
        .field("found", one.found)
        .field("is_met", one.is_met)
        .end_object();
  json.end_array().key("best_stage");
  if (run.best_stage) {
    json.value(*run.best_stage);
  } else {
    json.null();
  }
  append_verification(json, run);
  json.key("warnings").begin_array();
  for (auto& warning : run.warnings) json.value(warning);
  json.end_array().key("overall");
  append_stage(json, run.overall);
  json.key("stages").begin_array();
  for (auto& stage : run.stages) append_stage(json, stage);
  json.end_array().key("series").begin_array();
  for (auto& point : run.series) append_second(json, point);
  json.end_array().end_object();
  out += '\n';
}

void append_second_json(std::string& out, const second_point& point) {
  json_builder json(out);
  append_second(json, point);
}

void append_ledger_json(std::string& out, const request_record& r) {
  json_builder json(out);
  json.begin_object().field("number", r.number).field("stage", r.stage).field("turn", r.turn);
  json.field("due_s", r.due).field("sent_s", r.sent).field("end_s", r.end);
  json.field("outcome", to_string(r.outcome)).field("failure", r.failure);
  json.field("status", r.status).field("e2e_ms", r.e2e() * ms).field("lag_ms", r.lag() * ms);
  known(json, "ttft_ms", r.ttft, ms);
  known(json, "tpot_ms", r.tpot(), ms);
  known(json, "max_gap_ms", r.max_gap, ms);
  json.field("prompt_tokens", r.prompt_tokens).field("cached_tokens", r.cached_tokens);
  json.field("output_tokens", r.output_tokens).field("num_pieces", r.num_pieces);
  json.field("sent_bytes", r.sent_bytes).field("received_bytes", r.received_bytes);
  json.field("is_canary", r.is_canary).end_object();
}

}  // namespace troupe::load
