// Reads typed keys of a JSON object and keeps the first reason to refuse it, so that a reader lists
// its keys in a row and asks once at the end.
#pragma once
#include "core/outcome.hpp"
#include "text/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

class key_reader {
 public:
  // `where` starts every message: "config.json", "config.json: rope_scaling".
  key_reader(const json_value& object, std::string where) : object_(&object), where_(where) {}

  // A key that is absent or null has no value; neither has one that is refused.
  std::optional<std::uint32_t> integer(std::string_view key, std::uint32_t min, std::uint32_t max);
  std::optional<double> number(std::string_view key, double min, double max);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::string> string(std::string_view key);
  // As integer(), but the key must be there; 0 after a refusal.
  std::uint32_t required_integer(std::string_view key, std::uint32_t min, std::uint32_t max);

  // The member, unless it is absent or null.
  const json_value* find(std::string_view key) const;
  bool is_null(std::string_view key) const;  // there, and null
  const std::string& where() const { return where_; }
  void refuse(std::string_view key, std::string_view found_and_expected,
              error_code code = error_code::invalid_argument);
  const std::optional<failure>& problem() const { return problem_; }
  void take_problem(const key_reader& inner);

 private:
  const json_value* object_;
  std::string where_;
  std::optional<failure> problem_;
};

// What the value looks like in a message: the number or string itself, the type of anything else.
std::string describe(const json_value& value);

}  // namespace troupe
