#include "text/json.hpp"

#include "text/file.hpp"
#include "text/json_number.hpp"

namespace troupe {

bool json_value::is_number() const {
  return std::holds_alternative<std::int64_t>(value_) ||
         std::holds_alternative<std::uint64_t>(value_) || std::holds_alternative<double>(value_) ||
         std::holds_alternative<wide_number>(value_);
}

bool json_value::get_number(double& out) const {
  if (const auto* small = std::get_if<std::int64_t>(&value_)) {
    out = static_cast<double>(*small);
  } else if (const auto* large = std::get_if<std::uint64_t>(&value_)) {
    out = static_cast<double>(*large);
  } else if (const auto* real = std::get_if<double>(&value_)) {
    out = *real;
  } else if (const auto* wide = std::get_if<wide_number>(&value_)) {
    out = rounded_number(wide->text);
  } else {
    return false;
  }
  return true;
}

const json_value* json_value::find(std::string_view key) const {
  const json_object* members = as_object();
  if (members == nullptr) return nullptr;
  for (const auto& [name, value] : *members) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string_view json_value::type_name() const {
  struct names {
    std::string_view operator()(std::nullptr_t) const { return "null"; }
    std::string_view operator()(bool) const { return "a boolean"; }
    std::string_view operator()(std::int64_t) const { return "a number"; }
    std::string_view operator()(std::uint64_t) const { return "a number"; }
    std::string_view operator()(double) const { return "a number"; }
    std::string_view operator()(const wide_number&) const { return "a number"; }
    std::string_view operator()(const std::string&) const { return "a string"; }
    std::string_view operator()(const json_array&) const { return "an array"; }
    std::string_view operator()(const json_object&) const { return "an object"; }
  };
  return std::visit(names{}, value_);
}

outcome<json_value> read_json_file(const std::filesystem::path& path, json_limits limits) {
  auto text = read_file(path);
  if (!text) return text.error();
  auto value = parse_json(*text, limits);
  if (value) return value;
  failure why = value.error();
  why.message = path.string() + ": " + why.message;
  why.field = path.filename().string();
  return why;
}

}  // namespace troupe
