// JSON in and out, strictly: the whole document is checked, keys keep their order, duplicates,
// deep nesting and invalid UTF-8 are refused. The only reader of JSON in the house.
#pragma once
#include "core/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

class json_value;
using json_array = std::vector<json_value>;
using json_member = std::pair<std::string, json_value>;
using json_object = std::vector<json_member>;  // in document order, keys unique

// A number that would not come back as it was from 64 bits or a double, as the document spells it.
struct wide_number {
  std::string text;
};

// No number loses a digit: int64 first, uint64 above, double where its shortest spelling means the
// same number, else the text itself.
class json_value {
 public:
  using variant = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double,
                               wide_number, std::string, json_array, json_object>;
  json_value() = default;
  template <class T>
  json_value(T value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_number() const;
  // Pointers are null when the value is of another type.
  const bool* as_bool() const { return std::get_if<bool>(&value_); }
  const std::string* as_string() const { return std::get_if<std::string>(&value_); }
  const json_array* as_array() const { return std::get_if<json_array>(&value_); }
  const json_object* as_object() const { return std::get_if<json_object>(&value_); }
  // An integer in the JSON text (1, not 1.0), in int64's range.
  const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&value_); }
  // Any number, rounded; false if this is none.
  bool get_number(double& out) const;
  // The member of that name, or null; also null when this is no object.
  const json_value* find(std::string_view key) const;
  // "null", "a boolean", "a number", "a string", "an array", "an object": for error messages.
  std::string_view type_name() const;
  const variant& value() const { return value_; }

 private:
  variant value_ = nullptr;
};

struct json_limits {
  std::uint32_t max_depth = 64;
  std::uint32_t max_values = 1U << 21;  // a value takes 40 bytes and more: bounds the memory
};

// The failure says what is wrong and where as precisely as the parser knows.
outcome<json_value> parse_json(std::string_view text, json_limits limits = {});
// The same for a whole file; the failure names it.
outcome<json_value> read_json_file(const std::filesystem::path& path, json_limits limits = {});

// Compact, UTF-8 kept, numbers in shortest form that reads back the same, wide ones as they were;
// NaN and infinity, for which JSON has no word, become null.
void append_json(std::string& out, const json_value& value);
void append_json_string(std::string& out, std::string_view utf8);  // with quotes
// As Python's json.dumps(ensure_ascii=False) writes it: ", " and ": ", numbers with a point or an
// exponent as doubles (chat templates' tojson).
void append_json_python(std::string& out, const json_value& value);

}  // namespace troupe
