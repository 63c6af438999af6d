// The end of a run as text for people.
#pragma once
#include <string>

#include "load/run_record.hpp"

namespace troupe::load {

// Stages where there are several, totals, latencies, failures, the server, the verdicts, warnings.
std::string console_table(const run_record& run);
// The table of `--plan concurrency`: concurrency, TTFT, tokens/s, memory, stable.
std::string concurrency_table(const std::vector<stage_result>& stages);

// "1.23 ms", "45.6 s": three digits that count.
std::string in_words(double seconds);

}  // namespace troupe::load
