#include "plan/report.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <string>

namespace troupe::planning {
namespace {

bool is_open(const plan_row& row) { return row.what.concurrency == 0; }

std::string load_name(const plan_row& row) {
  return is_open(row) ? fixed(row.what.rate, 2) : std::to_string(row.what.concurrency);
}

std::string dollars(const std::optional<double>& usd) { return usd ? fixed(*usd, 3) : "-"; }

std::string table_of(const layout_plan& one, bool has_price) {
  const bool open = is_open(one.rows.front());
  std::string out = open ? "| requests/s offered" : "| concurrent";
  out +=
      " | TTFT ms mean / p50 / p99 | ITL ms mean / p99 | requests/s | tokens/s | KV "
      "use | memory MiB | stable | SLO |";
  std::string line = "|---|---|---|---|---|---|---|---|---|";
  if (has_price) {
    out += " USD/M output | USD/M all |";
    line += "---|---|";
  }
  out.append("\n").append(line).append("\n");
  for (const auto& row : one.rows) {
    out += std::string("| ").append(load_name(row)) + " | " + fixed(row.ttft_mean * 1e3, 1) +
           " / " + fixed(row.ttft_p50 * 1e3, 1) + " / " + fixed(row.ttft_p99 * 1e3, 1) + " | " +
           fixed(row.itl_mean * 1e3, 2) + " / " + fixed(row.itl_p99 * 1e3, 2) + " | " +
           fixed(row.requests_per_second, 2) + " | " + fixed(row.output_per_second, 1) + " | " +
           fixed(row.kv_share * 100, 1) + " % | " + fixed(planned_mib(*one.memory), 0) + " | " +
           (row.is_stable ? std::string("yes") : std::string("no: ").append(row.why_not)) + " | " +
           (row.keeps_slo ? "kept" : "missed") + " |";
    if (has_price)
      out.append(" ")
          .append(dollars(row.usd_per_million_output))
          .append(" | ")
          .append(dollars(row.usd_per_million_total))
          .append(" |");
    out += "\n";
  }
  return out;
}

std::string indent(const std::string& text) {
  std::string out;
  bool is_new_line = true;
  for (const char c : text) {
    if (is_new_line) out += "  ";
    out += c;
    is_new_line = c == '\n';
  }
  return out;
}

std::string memory_text(const layout_plan& one, bool is_gpu) {
  std::string out = is_gpu ? "Memory of each GPU:\n" : "Memory:\n";
  return out.append(indent(to_text(*one.memory)));
}

std::string layout_text(const layout_plan& one, bool has_price, bool is_gpu) {
  std::string out = "\n## ";
  out.append(to_text(one.where)).append("\n\n");
  if (!one.memory) return out.append("Does not fit: ").append(one.misfit.message).append("\n");
  return out + memory_text(one, is_gpu) + "\n" + table_of(one, has_price);
}

std::string load_text(const plan_report& report) {
  const auto& load = report.load;
  std::string out = std::string("Load: ").append(to_text(load.input)) + " tokens in, " +
                    to_text(load.output) + " out, " + fixed(load.seconds, 0) + " s looked at, " +
                    fixed(load.turnaround_seconds * 1e3, 1) +
                    " ms from an answer to the next request, seed " + std::to_string(load.seed);
  if (load.shared_prefix_tokens > 0)
    out.append(", the first ")
        .append(std::to_string(load.shared_prefix_tokens))
        .append(" tokens are shared");
  return out + ".\n";
}

std::string measured_text(const plan_report& report) {
  if (report.measured.empty()) return {};
  std::string out =
      "\nMeasured here, which the step times are made from:\n"
      "| rows | with logits | context | ms |\n|---|---|---|---|\n";
  for (const auto& step : report.measured)
    out += std::string("| ").append(std::to_string(step.shape.rows)) + " | " +
           std::to_string(step.shape.logit_rows) + " | " + std::to_string(step.shape.context) +
           " | " + fixed(step.seconds * 1e3, 3) + " |\n";
  return out;
}

}  // namespace

std::string fixed(double value, int digits) {
  // Small numbers keep three digits that say something.
  if (value != 0 && std::abs(value) < std::pow(10, 2 - digits))
    digits += static_cast<int>(std::ceil(2 - digits - std::log10(std::abs(value))));
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", std::min(digits, 12), value);
  return text.data();
}

double planned_mib(const memory_plan& plan) {
  return static_cast<double>(plan.planned_bytes) / (1U << 20);
}

std::string to_text(const plan_report& report) {
  const bool is_gpu = report.measured.empty();
  const auto& limits = report.limits;
  std::string out = "# Plan of ";
  out.append(report.model).append("\n\n");
  out += is_gpu ? "SIMULATED: no GPU ran. The house's own queue, batcher and page manager under a "
                  "simulated clock;\nsteps take what a roofline says (docs/plan.md).\n"
                : "SIMULATED: the house's own queue, batcher and page manager under a simulated "
                  "clock; steps take\nwhat was measured on this machine (docs/plan.md).\n";
  out += load_text(report);
  if (limits.max_num_seqs > 0 && !report.weights.empty())
    out += std::string("Weights in ").append(report.weights) + ", keys and values in " +
           report.pages + "; --max-num-seqs " + std::to_string(limits.max_num_seqs) +
           ", --max-num-batched-tokens " + std::to_string(limits.max_num_batched_tokens) +
           ", --max-model-len " + std::to_string(limits.max_model_len) + ".\n";
  out += measured_text(report);
  for (const auto& one : report.layouts)
    out += layout_text(one, report.usd_per_gpu_hour.has_value(), is_gpu);
  return out.append("\n").append(report.recommendation).append("\n");
}

}  // namespace troupe::planning
