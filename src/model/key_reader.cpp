#include "model/key_reader.hpp"

#include <sstream>

namespace troupe {
namespace {

std::string shortest(double x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

}  // namespace

std::string describe(const json_value& value) {
  constexpr std::size_t longest = 80;
  if (const std::string* text = value.as_string()) return '"' + text->substr(0, longest) + '"';
  if (const std::int64_t* integer = value.as_int()) return std::to_string(*integer);
  if (double number = 0; value.get_number(number)) {
    std::string text = shortest(number);
    // 4.0 is no integer to JSON's readers: it must not look like one.
    if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
    return text;
  }
  if (const bool* boolean = value.as_bool()) return *boolean ? "true" : "false";
  return std::string(value.type_name());
}

const json_value* key_reader::find(std::string_view key) const {
  const json_value* value = object_->find(key);
  return value != nullptr && value->is_null() ? nullptr : value;
}

bool key_reader::is_null(std::string_view key) const {
  const json_value* value = object_->find(key);
  return value != nullptr && value->is_null();
}

void key_reader::refuse(std::string_view key, std::string_view found_and_expected,
                        error_code code) {
  if (problem_) return;
  std::string message = where_ + ": " + std::string(key) + " " + std::string(found_and_expected);
  problem_ = failure{code, std::move(message), std::string(key)};
}

void key_reader::take_problem(const key_reader& inner) {
  if (!problem_) problem_ = inner.problem_;
}

std::optional<std::uint32_t> key_reader::integer(std::string_view key, std::uint32_t min,
                                                 std::uint32_t max) {
  const json_value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::int64_t* integer = value->as_int();
  if (integer == nullptr || *integer < min || *integer > max) {
    refuse(key, "is " + describe(*value) + "; an integer from " + std::to_string(min) + " to " +
                    std::to_string(max) + " was expected.");
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*integer);
}

std::uint32_t key_reader::required_integer(std::string_view key, std::uint32_t min,
                                           std::uint32_t max) {
  if (find(key) == nullptr) {
    refuse(key, "is missing; an integer from " + std::to_string(min) + " to " +
                    std::to_string(max) + " was expected.");
  }
  return integer(key, min, max).value_or(0);
}

std::optional<double> key_reader::number(std::string_view key, double min, double max) {
  const json_value* value = find(key);
  if (value == nullptr) return std::nullopt;
  double number = 0;
  if (!value->get_number(number) || !(number >= min && number <= max)) {
    refuse(key, "is " + describe(*value) + "; a number from " + shortest(min) + " to " +
                    shortest(max) + " was expected.");
    return std::nullopt;
  }
  return number;
}

std::optional<bool> key_reader::boolean(std::string_view key) {
  const json_value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const bool* boolean = value->as_bool()) return *boolean;
  refuse(key, "is " + describe(*value) + "; true or false was expected.");
  return std::nullopt;
}

std::optional<std::string> key_reader::string(std::string_view key) {
  const json_value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const std::string* text = value->as_string()) return *text;
  refuse(key, "is " + describe(*value) + "; a string was expected.");
  return std::nullopt;
}

}  // namespace troupe
