#include "cli/plan.hpp"

#include <fstream>
#include <ostream>
#include <utility>

#include "cli/nearest_name.hpp"
#include "plan/claims.hpp"
#include "plan/cpu_scenario.hpp"
#include "plan/report.hpp"
#include "sim/gpu_table.hpp"

namespace troupe {
namespace {

int refuse(const failure& why, std::ostream& err, int status) {
  const bool has_flag = why.field.starts_with("--") || why.field == "MODEL";
  err << "troupe: " << (has_flag ? why.field + ": " : "") << why.message << '\n';
  return status;
}

std::string guess_gpu(const std::string& typed) {
  std::vector<std::string> known;
  for (const auto name : gpu_names()) {
    known.emplace_back(name);
    if (name.starts_with("rtx")) known.emplace_back(name.substr(3));
  }
  return nearest_name(typed.substr(0, typed.find(':')), known);
}

// Text and JSON never share a stream.
int write(const planning::plan_report& report, const std::string& file, std::ostream& out,
          std::ostream& err) {
  std::string json;
  append_json(json, planning::to_json(report));
  json += '\n';
  if (file == "-") {
    out << json;
    return 0;
  }
  out << planning::to_text(report);
  if (file.empty()) return 0;
  std::ofstream target(file);
  target << json;
  target.close();
  if (target) return 0;
  err << "troupe: --json: " << file << " cannot be written\n";
  return 1;
}

int run_compare(const plan_options& options, std::ostream& out, std::ostream& err) {
  auto tables = planning::read_claims(options.claims);
  if (!tables) return refuse(tables.error(), err, 1);
  auto text = planning::compare(options.request, *tables);
  if (!text) return refuse(text.error(), err, 1);
  out << *text;
  return 0;
}

}  // namespace

int run_plan(plan_options options, std::ostream& out, std::ostream& err) {
  options.request.ttft_slo_seconds = std::chrono::duration<double>(options.ttft_slo).count();
  if (!options.claims.empty()) return run_compare(options, out, err);
  if (options.request.model.empty())
    return refuse({.message = "MODEL is needed, or --compare FILE"}, err, 2);
  if (options.gpus.empty() == !options.on_cpu)
    return refuse({.message = "either --gpu or --device cpu is needed, and not both"}, err, 2);
  for (const auto& typed : options.gpus) {
    auto wish = planning::parse_gpu(typed);
    if (!wish) {
      const int status = refuse(wish.error(), err, 2);
      const auto nearest = guess_gpu(typed);
      if (!nearest.empty()) err << "Did you mean " << nearest << "?\n";
      return status;
    }
    options.request.gpus.push_back(*wish);
  }
  auto report = options.gpus.empty() ? planning::plan_cpu(options.request)
                                     : planning::plan_gpus(options.request);
  if (!report) return refuse(report.error(), err, 1);
  return write(*report, options.json, out, err);
}

}  // namespace troupe
