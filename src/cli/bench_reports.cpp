#include "cli/bench_reports.hpp"

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "load/comparison.hpp"
#include "load/comparison_page.hpp"
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
  command->footer("Exit status: 0; 1 wrong flags, or a file that cannot be read or written.");
  auto options = std::make_shared<report_options>();
  command->add_option("run", options->json_file, "Of --json")->type_name("RUN.json")->required();
  command
      ->add_option("-o,--output", options->html_file,
                   "The page (default: RUN.html, beside RUN.json)")
      ->type_name("FILE");
  command->callback([options, &status] { status = run_report(*options); });
}

struct compare_options {
  std::filesystem::path a, b, html_file;
  std::vector<std::filesystem::path> ledgers;
  std::vector<load::allowed_change> allowed;
  std::uint64_t seed = 0;
  bool is_forced = false;
};

outcome<load::compared_run> read_compared(const std::filesystem::path& json_file,
                                          const std::filesystem::path* ledger) {
  auto run = load::read_report(json_file);
  if (!run) return std::move(run).error();
  load::compared_run out{*std::move(run), {}};
  if (ledger == nullptr) return out;
  auto records = load::read_ledger(*ledger);
  if (!records) return std::move(records).error();
  out.ledger = *std::move(records);
  return out;
}

int run_compare(const compare_options& options) {
  bool has_ledgers = !options.ledgers.empty();
  auto a = read_compared(options.a, has_ledgers ? &options.ledgers[0] : nullptr);
  if (!a) return refuse(a.error().message);
  auto b = read_compared(options.b, has_ledgers ? &options.ledgers[1] : nullptr);
  if (!b) return refuse(b.error().message);
  auto why_not = load::obstacles(a->run, b->run);
  if (!why_not.empty() && !options.is_forced) {
    std::string all;
    for (auto& why : why_not) all += "\n  " + why;
    return refuse("these runs are not comparable; --force compares them all the same" + all);
  }
  auto found = load::compare(*a, *b, options.allowed, options.seed);
  found.differences.insert(found.differences.begin(), why_not.begin(), why_not.end());
  std::cout << "A  " << options.a.string() << "\nB  " << options.b.string() << "\n\n"
            << load::comparison_table(found) << std::flush;
  if (!options.html_file.empty()) {
    auto page = load::comparison_page(a->run, b->run, found, options.a.filename().string(),
                                      options.b.filename().string());
    if (auto written = load::write_page(options.html_file, page); !written)
      return refuse(written.error().message);
  }
  return found.is_regression() ? 3 : 0;
}

void add_compare(CLI::App& bench, int& status) {
  auto* command = bench.add_subcommand("compare", "What changed from one run to another");
  command->footer(
      "Exit status: 0; 1 wrong flags, or runs that are not comparable; 3 a figure is worse by\n"
      "more than --max-regress, and chance does not explain it.");
  auto options = std::make_shared<compare_options>();
  command->add_option("a", options->a, "Of --json, before")->type_name("A.json")->required();
  command->add_option("b", options->b, "Of --json, after")->type_name("B.json")->required();
  auto read = [options](const std::string& text) {
    auto allowed = load::parse_allowed_changes(text);
    if (!allowed) throw CLI::ValidationError("--max-regress: " + allowed.error().message);
    options->allowed = *std::move(allowed);
  };
  command
      ->add_option_function<std::string>(
          "--max-regress", read,
          "Exit with 3 if a figure is worse by more than this share, as ttft_p99=5%,rps=2%; "
          "names as in --slo; of success, rejected and failed it is points")
      ->type_name("");
  command->add_option("--html", options->html_file, "A page with both drawn over each other")
      ->type_name("FILE");
  command
      ->add_option("--ledgers", options->ledgers,
                   "Of --ledger, of A and of B: intervals for requests that wait for each other")
      ->type_name("FILE FILE")
      ->expected(2);
  command->add_option("--seed", options->seed, "Of the intervals")->capture_default_str();
  command->add_flag("--force", options->is_forced, "Compare runs of different plans, too");
  command->callback([options, &status] { status = run_compare(*options); });
}

}  // namespace

void add_bench_reports(CLI::App& bench, int& status) {
  bench.require_subcommand(0, 1);
  add_report(bench, status);
  add_compare(bench, status);
}

}  // namespace troupe
