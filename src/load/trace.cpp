#include "load/trace.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>

#include "load/values.hpp"
#include "text/file.hpp"
#include "text/json.hpp"

namespace troupe::load {
namespace {

constexpr std::uint64_t max_file_bytes = std::uint64_t{2} << 30;
constexpr std::uint32_t max_tokens = 10'000'000;

// Columns of a CSV file, by what its head calls them.
struct csv_columns {
  std::size_t time = 0, prompt = 0, output = 0;
  bool is_calendar = false;  // times are dates, not seconds
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

std::optional<csv_columns> read_head(std::string_view line) {
  csv_columns out;
  auto names = split(trimmed(line), ',');
  auto place = [&](std::string_view name, std::size_t& column) {
    auto found = std::find(names.begin(), names.end(), name);
    column = static_cast<std::size_t>(found - names.begin());
    return found != names.end();
  };
  if (place("TIMESTAMP", out.time) && place("ContextTokens", out.prompt) &&
      place("GeneratedTokens", out.output)) {
    out.is_calendar = true;
    return out;
  }
  if (place("Timestamp", out.time) && place("Request tokens", out.prompt) &&
      place("Response tokens", out.output))
    return out;
  return std::nullopt;
}

// "2023-11-16 18:17:03.9799600", with or without a zone's offset behind it, which is the same in
// every row: only differences count.
std::optional<double> read_date(std::string_view text) {
  if (text.size() < 19) return std::nullopt;
  auto number = [&](std::size_t at, std::size_t length) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + length, value);
    return value;
  };
  int month = number(5, 2), day = number(8, 2);
  if (month < 1 || day < 1 || text[4] != '-' || text[13] != ':') return std::nullopt;
  auto date = std::chrono::year(number(0, 4)) / std::chrono::month(static_cast<unsigned>(month)) /
              std::chrono::day(static_cast<unsigned>(day));
  if (!date.ok()) return std::nullopt;
  auto days = std::chrono::sys_days(date).time_since_epoch().count();
  auto end = text.find_first_of("+Z", 17);
  auto seconds = parse_number(text.substr(17, end == text.npos ? text.npos : end - 17));
  if (!seconds) return std::nullopt;
  return days * 86400.0 + number(11, 2) * 3600.0 + number(14, 2) * 60.0 + *seconds;
}

std::optional<std::uint32_t> count_of(std::optional<double> number) {
  if (!number || *number < 0 || *number > max_tokens) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::optional<trace_row> read_csv(std::string_view line, const csv_columns& columns) {
  auto fields = split(line, ',');
  if (fields.size() <= std::max({columns.time, columns.prompt, columns.output}))
    return std::nullopt;
  auto when = trimmed(fields[columns.time]);
  auto time = columns.is_calendar ? read_date(when) : parse_number(when);
  auto prompt = count_of(parse_number(trimmed(fields[columns.prompt])));
  auto output = count_of(parse_number(trimmed(fields[columns.output])));
  if (!time || !prompt || !output) return std::nullopt;
  return trace_row{*time, *prompt, *output, {}};
}

std::optional<trace_row> read_mooncake(std::string_view line) {
  auto json = parse_json(line);
  if (!json) return std::nullopt;
  auto number = [&](std::string_view name) -> std::optional<double> {
    double value = 0;
    const auto* found = json->find(name);
    return found != nullptr && found->get_number(value) ? std::optional(value) : std::nullopt;
  };
  auto time = number("timestamp");
  auto prompt = count_of(number("input_length")), output = count_of(number("output_length"));
  if (!time || !prompt || !output) return std::nullopt;
  trace_row row{*time * 1e-3, *prompt, *output, {}};
  if (const auto* ids = json->find("hash_ids"); ids != nullptr && ids->as_array() != nullptr)
    for (auto& id : *ids->as_array())
      if (const auto* value = id.as_int()) row.blocks.push_back(static_cast<std::uint64_t>(*value));
  return row;
}

failure wrong(const std::string& why) { return {error_code::invalid_argument, why, "trace"}; }

}  // namespace

outcome<std::vector<trace_row>> parse_trace(std::string_view text) {
  std::vector<trace_row> rows;
  std::optional<csv_columns> columns;
  bool is_json = trimmed(text).starts_with('{');
  std::size_t number = 0;
  for (auto line : split(text, '\n')) {
    line = trimmed(line);
    ++number;
    if (line.empty()) continue;
    if (!is_json && !columns) {
      columns = read_head(line);
      if (!columns)
        return wrong(
            "line 1 is no head of a known trace: TIMESTAMP,ContextTokens,GeneratedTokens (Azure), "
            "Timestamp,...,Request tokens,Response tokens (BurstGPT), or JSON (Mooncake)");
      continue;
    }
    auto row = is_json ? read_mooncake(line) : read_csv(line, *columns);
    if (!row) return wrong("line " + std::to_string(number) + " is no row of this trace");
    if (row->output_tokens > 0) rows.push_back(std::move(*row));
  }
  if (rows.empty()) return wrong("the trace has no rows");
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  auto begin = rows.front().time;
  for (auto& row : rows) row.time -= begin;
  return rows;
}

outcome<std::vector<trace_row>> read_trace(const std::filesystem::path& path) {
  auto text = read_file(path, max_file_bytes);
  if (!text) return std::move(text).error();
  auto rows = parse_trace(*text);
  if (rows) return rows;
  auto why = std::move(rows).error();
  why.message = path.string() + ": " + why.message;
  return why;
}

}  // namespace troupe::load
