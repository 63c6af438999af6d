#include "model/safetensors.hpp"

#include "text/json.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {
namespace {

constexpr std::uint64_t max_header_bytes = 100'000'000;
constexpr std::size_t length_bytes = 8;
constexpr std::size_t max_dimensions = 8;

// A tensor as the header states it.
struct entry {
  std::string name;
  host_tensor tensor;
  std::uint64_t begin = 0;  // into the data that follow the header
  std::uint64_t end = 0;
};

// The first refusal ends the reading, so it travels as a message in an optional.
using complaint = std::optional<std::string>;

complaint read_dtype(const json_value* value, dtype& out) {
  if (value == nullptr || value->as_string() == nullptr) return "has no dtype.";
  const std::string& name = *value->as_string();
  if (name == "F32") {
    out = dtype::float32;
  } else if (name == "BF16") {
    out = dtype::bfloat16;
  } else if (name == "F16") {
    out = dtype::float16;
  } else if (name == "I32") {
    out = dtype::int32;
  } else {
    return "has dtype " + name.substr(0, 32) + "; F32, BF16, F16 or I32 was expected.";
  }
  return std::nullopt;
}

// Also gives the size in bytes, which must stay within 63 bits.
complaint read_shape(const json_value* value, host_tensor& out, std::uint64_t& bytes) {
  const json_array* list = value == nullptr ? nullptr : value->as_array();
  if (list == nullptr) return "has no shape.";
  if (list->size() > max_dimensions) return "has more than 8 dimensions.";
  bytes = size_bytes(out.type);
  for (const json_value& element : *list) {
    const std::int64_t* size = element.as_int();
    if (size == nullptr || *size < 0) return "has a dimension that is no non-negative integer.";
    const auto dimension = static_cast<std::uint64_t>(*size);
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (dimension != 0 && bytes > most / dimension) return "has a shape beyond 2^63 bytes.";
    bytes *= dimension;
    out.shape.push_back(*size);
  }
  return std::nullopt;
}

complaint read_offsets(const json_value* value, std::uint64_t data_bytes, entry& out) {
  const json_array* list = value == nullptr ? nullptr : value->as_array();
  const bool is_pair = list != nullptr && list->size() == 2 && (*list)[0].as_int() != nullptr &&
                       (*list)[1].as_int() != nullptr;
  if (!is_pair) return "has no data_offsets of two integers.";
  const std::int64_t begin = *(*list)[0].as_int();
  const std::int64_t end = *(*list)[1].as_int();
  if (begin < 0 || end < begin) return "has data_offsets that are negative or not in order.";
  out.begin = static_cast<std::uint64_t>(begin);
  out.end = static_cast<std::uint64_t>(end);
  if (out.end > data_bytes) {
    return "ends at byte " + std::to_string(out.end) + " of the data, but the file has " +
           std::to_string(data_bytes) + ".";
  }
  return std::nullopt;
}

complaint read_entry(const json_value& value, std::span<const std::byte> data, entry& out) {
  const json_object* members = value.as_object();
  if (members == nullptr) {
    return "is " + std::string(value.type_name()) + "; an object was expected.";
  }
  for (const auto& [key, unused] : *members) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return "has the unknown key \"" + key.substr(0, 32) + "\".";
    }
  }
  std::uint64_t bytes = 0;
  if (auto bad = read_dtype(value.find("dtype"), out.tensor.type)) return bad;
  if (auto bad = read_shape(value.find("shape"), out.tensor, bytes)) return bad;
  if (auto bad = read_offsets(value.find("data_offsets"), data.size(), out)) return bad;
  if (out.end - out.begin != bytes) {
    return "has " + std::to_string(out.end - out.begin) + " bytes; its shape and dtype need " +
           std::to_string(bytes) + ".";
  }
  out.tensor.bytes = data.subspan(out.begin, bytes);
  return std::nullopt;
}

complaint check_metadata(const json_value& value) {
  if (value.as_object() == nullptr) return "__metadata__ is no object.";
  for (const auto& [key, member] : *value.as_object()) {
    if (member.as_string() == nullptr) {
      return "__metadata__ holds " + std::string(member.type_name()) + " under \"" +
             key.substr(0, 32) + "\"; only strings are allowed.";
    }
  }
  return std::nullopt;
}

// Sorted by place, the tensors must follow each other from the first byte to the last.
complaint check_layout(std::vector<entry>& entries, std::uint64_t data_bytes) {
  std::ranges::sort(entries, {}, [](const entry& e) { return std::pair(e.begin, e.end); });
  std::uint64_t at = 0;
  for (const entry& e : entries) {
    if (e.begin != at) {
      return "tensor " + e.name + " begins at byte " + std::to_string(e.begin) + " of the data; " +
             std::to_string(at) + " was expected: tensors neither overlap nor leave holes.";
    }
    at = e.end;
  }
  if (at == data_bytes) return std::nullopt;
  return "the tensors end at byte " + std::to_string(at) + " of the data, but the file has " +
         std::to_string(data_bytes) + ".";
}

// The header's text, once the lengths fit the file.
complaint find_header(std::span<const std::byte> file, std::string_view& header) {
  if (file.size() < length_bytes) {
    return "has " + std::to_string(file.size()) + " bytes; at least 8 were expected.";
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) {
    length |= std::to_integer<std::uint64_t>(file[i]) << (8 * i);
  }
  if (length < 2 || length > max_header_bytes || length > file.size() - length_bytes) {
    return "states a header of " + std::to_string(length) + " bytes; 2 to " +
           std::to_string(std::min<std::uint64_t>(max_header_bytes, file.size() - length_bytes)) +
           " were expected.";
  }
  header = {reinterpret_cast<const char*>(file.data()) + length_bytes, length};
  if (header.front() != '{') return "has a header that does not begin with {.";
  return std::nullopt;
}

complaint read_entries(const json_object& header, std::span<const std::byte> data,
                       std::vector<entry>& out) {
  for (const auto& [name, value] : header) {
    if (name == "__metadata__") {
      if (auto bad = check_metadata(value)) return bad;
      continue;
    }
    entry e;
    e.name = name;
    if (auto bad = read_entry(value, data, e)) return "tensor " + name.substr(0, 256) + " " + *bad;
    out.push_back(std::move(e));
  }
  return check_layout(out, data.size());
}

}  // namespace

outcome<tensor_map> parse_safetensors(std::span<const std::byte> file, std::string_view file_name) {
  const auto refuse = [&](const std::string& why) {
    return failure{error_code::invalid_argument, std::string(file_name) + why,
                   std::string(file_name)};
  };
  std::string_view header;
  if (auto bad = find_header(file, header)) return refuse(" " + *bad);
  auto parsed = parse_json(header);
  if (!parsed) return refuse(": the header is no JSON: " + parsed.error().message);
  if (parsed->as_object() == nullptr) return refuse(": the header is no object.");
  std::vector<entry> entries;
  const auto data = file.subspan(length_bytes + header.size());
  if (auto bad = read_entries(*parsed->as_object(), data, entries)) return refuse(": " + *bad);
  tensor_map out;
  for (entry& e : entries) out.emplace(std::move(e.name), std::move(e.tensor));
  return out;
}

}  // namespace troupe
