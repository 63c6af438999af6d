// A run as CSV files with Locust's columns, so that what reads Locust's reads ours.
#pragma once
#include <string>

#include "core/outcome.hpp"
#include "load/run_record.hpp"

namespace troupe::load {

// Times are milliseconds. "Failure Count" is of failures alone; a last column, "Rejected Count",
// has what the server refused with 429 or 503. Times are those of successes.
std::string stats_csv(const run_record& run);
std::string stats_history_csv(const run_record& run);
std::string failures_csv(const run_record& run);

// PREFIX_stats.csv, PREFIX_stats_history.csv, PREFIX_failures.csv.
refusal write_csv(const std::string& prefix, const run_record& run);

}  // namespace troupe::load
