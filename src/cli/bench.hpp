// `troupe bench`: asks a server as many users would, and tells how it kept up.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "load/arrivals.hpp"
#include "load/load_plan.hpp"
#include "load/request_form.hpp"

namespace troupe {

struct bench_options {
  std::string url = "http://127.0.0.1:8080";
  // Load.
  load::plan_options plan;
  load::arrival_process arrival;
  load::think_time think;
  std::string trace_file;
  double speed = 1;
  std::uint64_t max_requests = 0;
  std::chrono::milliseconds drain_timeout{30'000};
  std::uint64_t seed = 0;
  std::uint32_t workers = 1;
  // Requests.
  load::request_form form;
  std::string prompts_file, schema_file, extra_body;
  load::prompt_options prompts;
  std::uint32_t verify_every = 0;
  // Verdict.
  load::request_limits goodput;
  std::chrono::milliseconds max_send_lag{10};
  // Output.
  bool is_quiet = false, json_lines = false;
  std::string json_file, html_file, csv_prefix, ledger_file;
  // Connection.
  std::string api_key, ca_file;
  bool verify_certificate = true;
  std::chrono::milliseconds request_timeout{600'000};
  std::uint32_t max_connections = 4096;
};

// Answers the exit status: 0 passed, 1 wrong options or nobody answers, 2 the SLO is missed or an
// answer was wrong, 4 the generator was too slow for its own schedule.
int run_bench(const bench_options& options);

}  // namespace troupe
