// A run as one HTML file: verdicts, figures, charts, tables, the environment. At most some 200 KB
// however long the run was: charts have at most 200 points.
#pragma once
#include <filesystem>
#include <string>

#include "core/outcome.hpp"
#include "load/run_record.hpp"

namespace troupe::load {

std::string html_report(const run_record& run);
// Writes it; a failure names the file.
refusal write_html_report(const std::filesystem::path& path, const run_record& run);
refusal write_page(const std::filesystem::path& path, const std::string& html);

}  // namespace troupe::load
