#include <fstream>
#include <string>

#include "load/comparison.hpp"
#include "text/json.hpp"

namespace troupe::load {
namespace {

bool read_number(const json_value& from, std::string_view name, double& out) {
  const auto* found = from.find(name);
  return found != nullptr && found->get_number(out);
}

// What a comparison needs of a line; false when it is none of a ledger.
bool read_record(const json_value& from, request_record& out) {
  double stage = 0, due = 0, end = 0, tokens = 0;
  const auto* result = from.find("outcome");
  const auto* word = result == nullptr ? nullptr : result->as_string();
  if (word == nullptr || !read_number(from, "stage", stage) || !read_number(from, "due_s", due) ||
      !read_number(from, "end_s", end) || !read_number(from, "output_tokens", tokens) ||
      !(stage >= 0 && stage < 1e6) || !(tokens >= 0 && tokens < 1e9))
    return false;
  out.outcome =
      *word == to_string(request_end::success) ? request_end::success : request_end::failed;
  out.stage = static_cast<std::uint32_t>(stage);
  out.due = due;
  out.end = end;
  out.output_tokens = static_cast<std::uint32_t>(tokens);
  // Of what has no text these are null.
  if (double ms = 0; read_number(from, "ttft_ms", ms)) out.ttft = ms / 1e3;
  if (double ms = 0; read_number(from, "max_gap_ms", ms)) out.max_gap = ms / 1e3;
  return true;
}

}  // namespace

outcome<std::vector<request_record>> read_ledger(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failure{error_code::io_error, "cannot read " + path.string(), path.string()};
  std::vector<request_record> out;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    auto json = parse_json(line);
    request_record record;
    if (!json || !read_record(*json, record))
      return failure{error_code::invalid_argument,
                     path.string() + ":" + std::to_string(number) + ": no line of a ledger",
                     path.string()};
    if (record.outcome == request_end::success) out.push_back(record);
  }
  return out;
}

}  // namespace troupe::load
