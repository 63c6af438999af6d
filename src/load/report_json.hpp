// A run as JSON and back: the file of `--json`, which reports and comparisons read. Its head has
// the names of `vllm bench serve` where that tool has them (docs/bench.md lists all).
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "core/outcome.hpp"
#include "load/run_record.hpp"

namespace troupe::load {

// A reader refuses files of a greater version. It grows when a field changes its meaning or goes.
constexpr int report_schema_version = 1;

void append_report_json(std::string& out, const run_record& run);
// One second, as a line of `--json-lines` and an element of "series".
void append_second_json(std::string& out, const second_point& point);
// One line of the ledger, without its end of line.
void append_ledger_json(std::string& out, const request_record& record);

// What append_report_json wrote; a failure names the first field that is missing or of a wrong
// kind.
outcome<run_record> parse_report(std::string_view json);
outcome<run_record> read_report(const std::filesystem::path& path);

}  // namespace troupe::load
