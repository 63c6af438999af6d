#include "plan/claims.hpp"

#include <algorithm>
#include <utility>

#include "plan/report.hpp"
#include "text/json.hpp"

namespace troupe::planning {
namespace {

constexpr double near_share = 0.1;  // closer than this agrees

failure refuse(const std::string& why) {
  return {error_code::invalid_argument, why, "--compare", {}};
}

std::string text_of(const json_value& table, const char* key) {
  const auto* member = table.find(key);
  const auto* text = member ? member->as_string() : nullptr;
  return text ? *text : std::string();
}

std::uint32_t count_of(const json_value& table, const char* key) {
  const auto* member = table.find(key);
  const auto* number = member ? member->as_int() : nullptr;
  return number && *number >= 1 && *number <= 4096 ? static_cast<std::uint32_t>(*number) : 0;
}

std::optional<double> number_of(const json_value& row, const char* key) {
  const auto* member = row.find(key);
  double number = 0;
  if (!member || !member->get_number(number) || !(number > 0)) return std::nullopt;
  return number;
}

outcome<claimed_row> read_row(const json_value& row, const std::string& where) {
  claimed_row out{.concurrency = count_of(row, "concurrency"),
                  .tokens_per_second = number_of(row, "tokens_per_second"),
                  .ttft_ms = number_of(row, "ttft_ms")};
  const auto* stable = row.find("stable");
  if (out.concurrency == 0 || !stable || !stable->as_bool())
    return refuse(where + ": a row needs \"concurrency\" from 1 to 4096 and \"stable\"");
  out.is_stable = *stable->as_bool();
  return out;
}

outcome<claimed_table> read_table(const json_value& table) {
  claimed_table out;
  out.name = text_of(table, "name");
  out.model = text_of(table, "model");
  out.tensor_parallel_size = count_of(table, "tensor_parallel_size");
  out.note = text_of(table, "note");
  if (out.name.empty() || out.model.empty() || out.tensor_parallel_size == 0)
    return refuse("a table needs \"name\", \"model\" and \"tensor_parallel_size\"");
  auto gpus = parse_gpu(text_of(table, "gpu"));
  auto input = parse_lengths(text_of(table, "input_tokens"));
  auto output = parse_lengths(text_of(table, "output_tokens"));
  for (const auto* error : {gpus ? nullptr : &gpus.error(), input ? nullptr : &input.error(),
                            output ? nullptr : &output.error()})
    if (error) return refuse(out.name + ": " + error->message);
  out.gpus = *gpus;
  out.input = *input;
  out.output = *output;
  const auto* rows = table.find("rows");
  if (!rows || !rows->as_array() || rows->as_array()->empty())
    return refuse(out.name + ": \"rows\" has no row");
  for (const auto& row : *rows->as_array()) {
    auto read = read_row(row, out.name);
    if (!read) return read.error();
    out.rows.push_back(*read);
  }
  return out;
}

std::string ms(double seconds) { return fixed(seconds * 1e3, 2) + " ms"; }

// "6.17 ms: weights 3.79, ..." of a step in which so many sequences decode.
std::string describe_step(const step_parts& parts) {
  constexpr double kernel_share = 0.93;
  const double memory = (parts.weights + parts.lm_head) / kernel_share;
  return ms(parts.total()) + " (weights " + fixed(memory * 1e3, 2) + ", keys and values " +
         fixed(parts.attention / kernel_share * 1e3, 2) + ", all-reduces " +
         fixed(parts.all_reduce * 1e3, 2) + ", kernels' ends " + fixed(parts.boundaries * 1e3, 2) +
         ")";
}

std::string or_unsaid(const std::optional<double>& value, int digits) {
  return value ? fixed(*value, digits) : std::string("-");
}

std::string side_by_side(const claimed_row& claim, const plan_row& row, const std::string& why) {
  std::string out = "| " + std::to_string(claim.concurrency);
  out.append(" | ").append(or_unsaid(claim.ttft_ms, 0));
  out.append(" | ").append(fixed(row.ttft_mean * 1e3, 0));
  out.append(" | ").append(or_unsaid(claim.tokens_per_second, 0));
  out.append(" | ").append(fixed(row.output_per_second, 0));
  out.append(" | ").append(fixed(row.kv_share * 100, 1)).append(" %");
  out.append(" | ").append(claim.is_stable ? "yes" : "no");
  out.append(" | ").append(row.is_stable ? "yes" : "no");
  return out.append(" | ").append(why).append(" |\n");
}

outcome<std::string> compare_one(plan_request request, const claimed_table& table) {
  request.model = table.model;
  request.gpus = {table.gpus};
  request.tensor_parallel_size = table.tensor_parallel_size;
  request.load.input = table.input;
  request.load.output = table.output;
  request.rows.clear();
  for (const auto& row : table.rows) request.rows.push_back({.concurrency = row.concurrency});
  auto report = plan_gpus(request);
  if (!report) return report.error();
  const auto& layout = report->layouts.front();
  std::string out = "\n## " + table.name + ": " + table.model + " on " + to_text(layout.where);
  out.append("\n\n");
  if (!layout.memory)
    return out.append("Does not fit: ").append(layout.misfit.message).append("\n");
  auto clock = find_clockwork_of(request, layout.where);
  if (!clock) return clock.error();
  out += to_text(table.input) + " tokens in, " + to_text(table.output) + " out. " + table.note;
  out +=
      "\n\n| concurrent | TTFT ms claimed | simulated | tokens/s claimed | simulated | KV use | "
      "stable claimed | simulated | why |\n|---|---|---|---|---|---|---|---|---|\n";
  const double tokens_each = table.input.mean() + table.output.mean();
  const double context = table.input.mean() + table.output.mean() / 2;
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    out += side_by_side(table.rows[i], layout.rows[i],
                        explain(table.rows[i], layout.rows[i], *clock, context,
                                layout.memory->cached_tokens, tokens_each));
  return out;
}

}  // namespace

outcome<std::vector<claimed_table>> read_claims(const std::filesystem::path& file) {
  auto json = read_json_file(file);
  if (!json) return json.error();
  const auto* tables = json->find("tables");
  if (!tables || !tables->as_array() || tables->as_array()->empty())
    return refuse(file.string() + ": \"tables\" has no table");
  std::vector<claimed_table> out;
  for (const auto& table : *tables->as_array()) {
    auto read = read_table(table);
    if (!read) return read.error();
    out.push_back(*std::move(read));
  }
  return out;
}

std::string explain(const claimed_row& claim, const plan_row& predicted, const gpu_clockwork& clock,
                    double context, std::uint64_t kv_tokens, double tokens_each) {
  const std::uint32_t n = claim.concurrency;
  const auto read = static_cast<std::uint64_t>(n * context);
  const auto parts =
      clock.time({.num_rows = n, .num_logit_rows = n, .num_read = read, .num_attended = read});
  if (!claim.is_stable && predicted.is_stable)
    return std::to_string(n) + " requests hold " + fixed(n * tokens_each, 0) + " of " +
           std::to_string(kv_tokens) + " tokens that the pages hold, and a step takes " +
           describe_step(parts) + ": nothing here makes it unstable";
  if (!claim.tokens_per_second) return "a step takes " + describe_step(parts);
  const double floor = parts.weights + parts.lm_head + parts.attention;
  const double claimed = *claim.tokens_per_second, ours = predicted.output_per_second;
  if (claimed > n / floor)
    return "impossible: reading weights, keys and values alone takes " + ms(floor) + ", at most " +
           fixed(n / floor, 0) + " tokens/s";
  const auto step = "a step that decodes takes " + describe_step(parts);
  if (claimed > ours * (1 + near_share))
    return "more than simulated, below the limit of the memory (" + fixed(n / floor, 0) +
           " tokens/s); " + step;
  if (claimed >= ours * (1 - near_share)) return "agrees; " + step;
  return "claimed is a token of each every " + ms(n / claimed) + "; " + step +
         ", the rest is prompts' work or lost outside of the GPUs";
}

outcome<std::string> compare(const plan_request& request, const std::vector<claimed_table>& all) {
  std::string out =
      "# Claimed and simulated\n\nSIMULATED: no GPU ran (docs/plan.md). The claims are their "
      "authors'.\n";
  for (const auto& table : all) {
    auto one = compare_one(request, table);
    if (!one) return one.error();
    out += *one;
  }
  return out;
}

}  // namespace troupe::planning
