// Reads the fields of a JSON body one by one, strictly. The first thing that is wrong is kept,
// later ones are not looked at; `finish` tells it, or which field nobody asked for. null counts as
// absent.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/outcome.hpp"
#include "text/json.hpp"

namespace troupe {

// Both ends belong to it unless `excludes_lowest`.
struct number_range {
  double lowest;
  double highest;
  bool excludes_lowest = false;
};

struct integer_range {
  std::int64_t lowest;
  std::int64_t highest;
};

class body_fields {
 public:
  // `body` must outlive this. Anything but an object is wrong. `path` is where the object stands in
  // the body: "messages[1]"; messages and refusals name its fields from there.
  explicit body_fields(const json_value& body, std::string path = {});

  // Each getter answers `absent` for a field that is absent or wrong.
  std::optional<std::string> text(std::string_view name);
  bool flag(std::string_view name, bool absent);
  double number(std::string_view name, double absent, number_range range);
  std::int64_t integer(std::string_view name, std::int64_t absent, integer_range range);
  // The field's value for a caller that reads it itself; null when absent.
  const json_value* raw(std::string_view name);

  // One string or a list of strings, none empty.
  std::vector<std::string> texts(std::string_view name, std::size_t max_texts,
                                 std::size_t max_bytes);
  std::vector<std::int64_t> integers(std::string_view name, std::size_t max_integers,
                                     integer_range range);

  void refuse(std::string_view name, std::string message,
              error_code code = error_code::invalid_argument);
  // Keeps what somebody else found wrong with this object.
  void refuse(failure why);
  bool is_fine() const { return !wrong_.has_value(); }
  bool has(std::string_view name) const;
  // The field's name from the top of the body.
  std::string place(std::string_view name) const;
  refusal finish();

 private:
  void expected(std::string_view name, std::string_view what, const json_value& found);

  std::string path_;
  const json_object* members_ = nullptr;
  std::vector<bool> was_read_;
  std::optional<failure> wrong_;
};

}  // namespace troupe
