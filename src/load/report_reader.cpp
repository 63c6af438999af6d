// The way back: JSON of a report to a run_record.
#include <array>
#include <cmath>

#include "load/report_json.hpp"
#include "text/json.hpp"

namespace troupe::load {
namespace {

// Remembers the first field that is missing or wrong, so that readers need not ask after each.
class field_reader {
 public:
  explicit field_reader(std::string& problem) : problem_(problem) {}

  const json_value& at(const json_value& from, std::string_view name) {
    static const json_value absent;
    const auto* found = from.find(name);
    if (found == nullptr) complain(name, "is missing");
    return found == nullptr ? absent : *found;
  }

  void read(const json_value& from, std::string_view name, double& out, double unit = 1) {
    auto& value = at(from, name);
    if (value.is_null()) {
      out = -1;
    } else if (value.get_number(out)) {
      out *= unit;
    } else {
      complain(name, "is no number");
    }
  }

  template <std::unsigned_integral Count>
  void read(const json_value& from, std::string_view name, Count& out) {
    const auto* number = at(from, name).as_int();
    if (number == nullptr || *number < 0) return complain(name, "is no count");
    out = static_cast<Count>(*number);
  }

  void read(const json_value& from, std::string_view name, bool& out) {
    const auto* yes = at(from, name).as_bool();
    if (yes == nullptr) return complain(name, "is neither true nor false");
    out = *yes;
  }

  void read(const json_value& from, std::string_view name, std::string& out) {
    const auto* text = at(from, name).as_string();
    if (text == nullptr) return complain(name, "is no text");
    out = *text;
  }

  void read(const json_value& from, std::string_view name, failure_counts& out) {
    const auto* members = at(from, name).as_object();
    if (members == nullptr) return complain(name, "is no object");
    for (auto& [kind, value] : *members) read(at(from, name), kind, out[kind]);
  }

  const json_array& array(const json_value& from, std::string_view name) {
    static const json_array none;
    const auto* found = at(from, name).as_array();
    if (found == nullptr) complain(name, "is no list");
    return found == nullptr ? none : *found;
  }

  template <class Word, std::size_t N>
  void read_word(const json_value& from, std::string_view name, const std::array<Word, N>& words,
                 Word& out) {
    std::string text;
    read(from, name, text);
    for (auto word : words)
      if (to_string(word) == text) return void(out = word);
    complain(name, "is an unknown word");
  }

 private:
  void complain(std::string_view name, std::string_view what) {
    if (problem_.empty()) problem_.append(name).append(" ").append(what);
  }
  std::string& problem_;
};

latency_histogram read_histogram(field_reader& in, const json_value& from, std::string_view name) {
  auto& value = in.at(from, name);
  std::vector<latency_histogram::bucket> buckets;
  for (auto& pair : in.array(value, "buckets")) {
    const auto* both = pair.as_array();
    if (both == nullptr || both->size() != 2 || (*both)[0].as_int() == nullptr ||
        (*both)[1].as_int() == nullptr)
      continue;
    auto index = *(*both)[0].as_int();
    if (index < 0 || index > latency_histogram::index_of(1e6)) continue;
    buckets.emplace_back(static_cast<std::uint32_t>(index),
                         static_cast<std::uint64_t>(*(*both)[1].as_int()));
  }
  double sum = 0, squares = 0, min = 0, max = 0;
  in.read(value, "sum_s", sum);
  in.read(value, "sum_of_squares", squares);
  in.read(value, "min_s", min);
  in.read(value, "max_s", max);
  return latency_histogram::restored(buckets, sum, squares, min, max);
}

request_totals read_totals(field_reader& in, const json_value& from) {
  request_totals t;
  in.read(from, "scheduled", t.scheduled);
  in.read(from, "sent", t.sent);
  in.read(from, "succeeded", t.succeeded);
  in.read(from, "rejected", t.rejected);
  in.read(from, "failed", t.failed);
  in.read(from, "aborted", t.aborted);
  in.read(from, "late", t.late);
  in.read(from, "good", t.good);
  in.read(from, "prompt_tokens", t.prompt_tokens);
  in.read(from, "cached_tokens", t.cached_tokens);
  in.read(from, "output_tokens", t.output_tokens);
  in.read(from, "sent_bytes", t.sent_bytes);
  in.read(from, "received_bytes", t.received_bytes);
  in.read(from, "failures", t.failures);
  in.read(from, "rejections", t.rejections);
  return t;
}

stage_result read_stage(field_reader& in, const json_value& from) {
  stage_result out;
  in.read(from, "name", out.name);
  in.read_word(from, "kind", std::array{load_kind::open, load_kind::closed, load_kind::trace},
               out.kind);
  in.read(from, "offered_rate", out.offered_rate);
  in.read(from, "users", out.users);
  in.read(from, "start_s", out.start);
  in.read(from, "duration_s", out.duration);
  in.read(from, "drained_s", out.drained);
  in.read(from, "is_judged", out.is_judged);
  in.read(from, "is_stable", out.is_stable);
  in.read(from, "peak_memory_bytes", out.peak_memory_bytes);
  out.totals = read_totals(in, in.at(from, "totals"));
  auto& times = in.at(from, "latencies");
  out.times.ttft = read_histogram(in, times, "ttft");
  out.times.itl = read_histogram(in, times, "itl");
  out.times.tpot = read_histogram(in, times, "tpot");
  out.times.e2e = read_histogram(in, times, "e2e");
  out.times.max_gap = read_histogram(in, times, "max_gap");
  out.times.rejected_e2e = read_histogram(in, times, "rejected_e2e");
  out.times.failed_e2e = read_histogram(in, times, "failed_e2e");
  out.times.lag = read_histogram(in, times, "lag");
  return out;
}

quantiles read_quantiles(field_reader& in, const json_value& from, std::string_view name) {
  auto& value = in.at(from, name);
  quantiles out;
  in.read(value, "p50_ms", out.p50, 1e-3);
  in.read(value, "p95_ms", out.p95, 1e-3);
  in.read(value, "p99_ms", out.p99, 1e-3);
  return out;
}

server_sample read_server(field_reader& in, const json_value& from) {
  server_sample out;
  in.read(from, "kv_use", out.kv_use);
  in.read(from, "waiting", out.waiting);
  in.read(from, "running", out.running);
  in.read(from, "replicas", out.replicas);
  in.read(from, "memory_bytes", out.memory_bytes);
  in.read(from, "load", out.load);
  return out;
}

second_point read_second(field_reader& in, const json_value& from) {
  second_point out;
  in.read(from, "second", out.second);
  in.read(from, "stage", out.stage);
  in.read(from, "users", out.users);
  in.read(from, "due", out.due);
  in.read(from, "sent", out.sent);
  in.read(from, "succeeded", out.succeeded);
  in.read(from, "rejected", out.rejected);
  in.read(from, "failed", out.failed);
  in.read(from, "aborted", out.aborted);
  in.read(from, "failures", out.failures);
  in.read(from, "in_flight", out.in_flight);
  in.read(from, "output_tokens", out.output_tokens);
  out.ttft = read_quantiles(in, from, "ttft");
  out.itl = read_quantiles(in, from, "itl");
  out.e2e = read_quantiles(in, from, "e2e");
  out.lag = read_quantiles(in, from, "lag");
  out.server = read_server(in, in.at(from, "server"));
  return out;
}

environment read_environment(field_reader& in, const json_value& from) {
  environment out;
  in.read(from, "url", out.url);
  in.read(from, "api", out.api);
  in.read(from, "is_stream", out.is_stream);
  in.read(from, "model", out.model);
  in.read(from, "server", out.server);
  if (auto& info = in.at(from, "server_info"); !info.is_null()) append_json(out.server_info, info);
  in.read(from, "client", out.client);
  in.read(from, "machine", out.machine);
  in.read(from, "command_line", out.command_line);
  in.read(from, "plan", out.plan);
  in.read(from, "arrival", out.arrival);
  in.read(from, "prompts", out.prompts);
  in.read(from, "seed", out.seed);
  in.read(from, "workers", out.workers);
  in.read(from, "started_at", out.started_at);
  return out;
}

void read_verification(field_reader& in, const json_value& from, run_record& run) {
  auto& v = run.verified;
  in.read(from, "num_canaries", v.num_canaries);
  in.read(from, "num_mismatches", v.num_mismatches);
  in.read(from, "num_schema_answers", v.num_schema_answers);
  in.read(from, "num_schema_errors", v.num_schema_errors);
  in.read(from, "reference_requests", run.reference_requests);
  for (auto& example : in.array(from, "examples"))
    if (const auto* text = example.as_string()) v.examples.push_back(*text);
}

void read_run(field_reader& in, const json_value& from, run_record& run) {
  in.read_word(from, "verdict",
               std::array{run_verdict::passed, run_verdict::generator_overloaded,
                          run_verdict::slo_missed, run_verdict::target_down},
               run.verdict);
  in.read(from, "duration_s", run.duration);
  in.read(from, "is_interrupted", run.is_interrupted);
  run.where = read_environment(in, in.at(from, "environment"));
  for (auto& one : in.array(from, "slo")) {
    slo_verdict verdict;
    in.read(one, "clause", verdict.clause);
    in.read(one, "wanted", verdict.wanted);
    in.read(one, "found", verdict.found);
    in.read(one, "is_met", verdict.is_met);
    run.slo.push_back(std::move(verdict));
  }
  if (!in.at(from, "best_stage").is_null()) in.read(from, "best_stage", run.best_stage.emplace());
  read_verification(in, in.at(from, "verification"), run);
  for (auto& warning : in.array(from, "warnings"))
    if (const auto* text = warning.as_string()) run.warnings.push_back(*text);
  run.overall = read_stage(in, in.at(from, "overall"));
  for (auto& stage : in.array(from, "stages")) run.stages.push_back(read_stage(in, stage));
  for (auto& point : in.array(from, "series")) run.series.push_back(read_second(in, point));
}

outcome<run_record> from_json(const json_value& json) {
  std::string problem;
  field_reader in(problem);
  std::string kind;
  in.read(json, "schema", kind);
  std::uint32_t version = 0;
  in.read(json, "schema_version", version);
  if (kind != "troupe-bench")
    return failure{error_code::invalid_argument, "this is no report of troupe bench", "schema"};
  if (version > report_schema_version)
    return failure{error_code::unsupported,
                   "the report's schema_version is " + std::to_string(version) +
                       ", the greatest that is known is " + std::to_string(report_schema_version),
                   "schema_version"};
  run_record run;
  read_run(in, json, run);
  if (problem.empty()) return run;
  return failure{error_code::invalid_argument, "not a whole report: " + problem, ""};
}

// A long run has many seconds, each of some sixty values.
constexpr json_limits report_limits{.max_depth = 64, .max_values = 1U << 26};

}  // namespace

outcome<run_record> parse_report(std::string_view text) {
  auto json = parse_json(text, report_limits);
  if (!json) return std::move(json).error();
  return from_json(*json);
}

outcome<run_record> read_report(const std::filesystem::path& path) {
  auto json = read_json_file(path, report_limits);
  if (!json) return std::move(json).error();
  auto run = from_json(*json);
  if (run) return run;
  auto why = std::move(run).error();
  why.message = path.string() + ": " + why.message;
  return why;
}

}  // namespace troupe::load
