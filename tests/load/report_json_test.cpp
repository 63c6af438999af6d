#include "load/report_json.hpp"

#include <doctest/doctest.h>

#include <string>

#include "text/json.hpp"

using namespace troupe;
using namespace troupe::load;

namespace {

run_record some_run() {
  run_record run;
  run.where.url = "http://127.0.0.1:1";
  run.where.server_info = R"({"version":"1"})";
  run.where.seed = 7;
  run.duration = 12.5;
  stage_result stage;
  stage.name = "10/s";
  stage.offered_rate = 10;
  stage.duration = 10;
  stage.drained = 12.5;
  stage.totals = {.scheduled = 4, .sent = 4, .succeeded = 2, .rejected = 1, .failed = 1};
  stage.totals.output_tokens = 50;
  stage.totals.failures["reset"] = 1;
  stage.totals.rejections["http 503"] = 1;
  stage.times.e2e.observe(0.1);
  stage.times.e2e.observe(0.3);
  run.stages = {stage};
  run.overall = stage;
  second_point point;
  point.second = 3;
  point.failures["reset"] = 1;
  point.e2e.p99 = 0.3;
  point.server.kv_use = 0.25;
  run.series = {point};
  run.best_stage = 0;
  run.slo = {{"e2e_p99<2s", 2, 0.3, true}};
  run.verified.examples = {"one \"text\""};
  run.warnings = {"careful"};
  run.verdict = run_verdict::slo_missed;
  return run;
}

double number_at(const json_value& json, std::string_view name) {
  double out = -1;
  const auto* found = json.find(name);
  REQUIRE(found != nullptr);
  REQUIRE(found->get_number(out));
  return out;
}

}  // namespace

TEST_CASE("a report comes back as it was written") {
  std::string first, second;
  append_report_json(first, some_run());
  auto read = parse_report(first);
  REQUIRE(read);
  append_report_json(second, *read);
  CHECK(first == second);
  CHECK(read->verdict == run_verdict::slo_missed);
  CHECK(read->stages[0].totals.failures.at("reset") == 1);
  CHECK(read->series[0].ttft.p50 == -1);
  CHECK(read->series[0].server.kv_use == 0.25);
  CHECK(read->stages[0].times.e2e.quantile(1) == 0.3);
}

TEST_CASE("the head has the names and units of vllm bench serve") {
  std::string text;
  append_report_json(text, some_run());
  auto json = parse_json(text);
  REQUIRE(json);
  CHECK(number_at(*json, "completed") == 2);
  CHECK(number_at(*json, "failed") == 1);
  CHECK(number_at(*json, "duration") == 12.5);
  CHECK(number_at(*json, "request_throughput") == doctest::Approx(2 / 12.5));
  CHECK(number_at(*json, "output_throughput") == doctest::Approx(4));
  CHECK(number_at(*json, "mean_e2el_ms") == doctest::Approx(200));
  CHECK(number_at(*json, "p99_e2el_ms") == doctest::Approx(300));
}

TEST_CASE("what is no report, or of a later time, is refused") {
  CHECK(!parse_report("{}"));
  std::string text;
  append_report_json(text, some_run());
  auto later = text;
  later.replace(later.find("\"schema_version\":1"), 18, "\"schema_version\":2");
  auto refused = parse_report(later);
  REQUIRE(!refused);
  CHECK(refused.error().message.find("schema_version is 2") != std::string::npos);
  auto partial = text;
  partial.replace(partial.find("\"is_stable\""), 11, "\"is_suable\"");
  auto missing = parse_report(partial);
  REQUIRE(!missing);
  CHECK(missing.error().message == "not a whole report: is_stable is missing");
}
