#include "cli/bench_reports.hpp"

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "load/html_report.hpp"
#include "load/report_json.hpp"

namespace troupe {
namespace {

int refuse(const std::string& why) {
  std::cerr << "troupe: " << why << '\n';
  return 1;
}

struct report_options {
  std::filesystem::path json_file, html_file;
};

int run_report(report_options options) {
  auto run = load::read_report(options.json_file);
  if (!run) return refuse(run.error().message);
  if (options.html_file.empty())
    options.html_file = std::filesystem::path(options.json_file).replace_extension(".html");
  if (auto written = load::write_html_report(options.html_file, *run); !written)
    return refuse(written.error().message);
  std::cout << options.html_file.string() << '\n';
  return 0;
}

void add_report(CLI::App& bench, int& status) {
  auto* command = bench.add_subcommand("report", "Make a page with charts of a run's --json file");
  auto options = std::make_shared<report_options>();
  command->add_option("run", options->json_file, "Of --json")->type_name("RUN.json")->required();
  command
      ->add_option("-o,--output", options->html_file,
                   "The page (default: RUN.html, beside RUN.json)")
      ->type_name("FILE");
  command->callback([options, &status] { status = run_report(*options); });
}

}  // namespace

void add_bench_reports(CLI::App& bench, int& status) {
  bench.require_subcommand(0, 1);
  add_report(bench, status);
}

}  // namespace troupe
