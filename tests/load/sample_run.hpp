// Runs that were never made, for tests of reports.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>

#include "load/run_record.hpp"

namespace troupe::load {

// `num_stages` of `seconds` together; latencies are 100 ms for a first token and 1 s for an answer,
// times `slowness`, and go up and down.
inline run_record sample_run(std::uint32_t seconds = 60, std::uint32_t num_stages = 2,
                             double slowness = 1) {
  run_record run;
  run.where = {.url = "http://127.0.0.1:8080", .api = "chat", .model = "demo"};
  run.where.plan = "ramp";
  run.where.arrival = "poisson";
  run.where.prompts = "made of words";
  run.where.started_at = "2026-11-22T09:30:00Z";
  run.duration = seconds;
  auto stage_of = [&](std::uint32_t second) { return second * num_stages / seconds; };
  for (std::uint32_t i = 0; i < num_stages; ++i) {
    stage_result stage;
    stage.name = std::to_string(10 * (i + 1)) + "/s";
    stage.offered_rate = 10 * (i + 1);
    stage.start = 1.0 * i * seconds / num_stages;
    stage.duration = 1.0 * seconds / num_stages;
    run.stages.push_back(stage);
  }
  for (std::uint32_t second = 0; second < seconds; ++second) {
    auto& stage = run.stages[stage_of(second)];
    second_point point;
    point.second = second;
    point.stage = stage_of(second);
    point.due = point.sent = point.succeeded = static_cast<std::uint64_t>(stage.offered_rate);
    if (second % 20 == 7) point.failed = 1, point.failures["reset"] = 1;
    auto swing = slowness * (1 + 0.3 * std::sin(second * 1.7));
    point.ttft = {0.1 * swing, 0.173 * swing, 0.2 * swing};
    point.itl = {0.0213 * swing, 0.03 * swing, 0.0471 * swing};
    point.e2e = {1.013 * swing, 1.5 * swing, 2.07 * swing};
    point.lag = {0.0001, 0.0002, 0.0003};
    point.in_flight = point.succeeded;
    point.output_tokens = point.succeeded * 50;
    point.server = {.kv_use = 0.37,
                    .waiting = 3,
                    .running = 12,
                    .replicas = 1,
                    .memory_bytes = 5e8,
                    .load = 0.4};
    run.series.push_back(point);
    auto& t = stage.totals;
    t.scheduled += point.due;
    t.sent += point.sent;
    t.succeeded += point.succeeded;
    t.good += point.succeeded;
    t.output_tokens += point.output_tokens;
    if (point.failed > 0) t.failed += 1, t.failures["reset"] += 1;
    for (std::uint64_t i = 0; i < point.succeeded; ++i) {
      auto spread = swing * (1 + 0.1 * static_cast<double>(i % 7));
      stage.times.ttft.observe(0.1 * spread);
      stage.times.e2e.observe(spread);
      stage.times.tpot.observe(0.02 * spread);
      stage.times.max_gap.observe(0.04 * spread);
      stage.times.itl.observe(0.02 * spread, 49);
      stage.times.lag.observe(0.0002);
    }
  }
  for (auto& stage : run.stages) {
    stage.drained = stage.start + stage.duration;
    run.overall.totals.merge(stage.totals);
    run.overall.times.merge(stage.times);
  }
  run.overall.duration = run.overall.drained = seconds;
  return run;
}

}  // namespace troupe::load
