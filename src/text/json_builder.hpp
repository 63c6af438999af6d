// Writes JSON piece by piece into a string: compact, commas by itself. Whoever calls it balances
// begin and end.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/json.hpp"

namespace troupe {

class json_builder {
 public:
  // Appends to `out`, which must outlive this.
  explicit json_builder(std::string& out) : out_(out) {
    if (out_.capacity() < usual_bytes) out_.reserve(usual_bytes);
  }

  json_builder& begin_object() { return open('{'); }
  json_builder& end_object() { return close('}'); }
  json_builder& begin_array() { return open('['); }
  json_builder& end_array() { return close(']'); }
  json_builder& key(std::string_view name);

  json_builder& value(std::string_view text);
  json_builder& value(const char* text) { return value(std::string_view(text)); }
  json_builder& value(const std::string& text) { return value(std::string_view(text)); }
  json_builder& value(bool yes);
  // NaN and infinity become null.
  json_builder& value(double number);
  json_builder& value(float number);
  json_builder& value(const json_value& any);
  json_builder& null();
  template <std::integral Integer>
  json_builder& value(Integer number) {
    return raw(std::to_string(number));
  }
  // A value that is JSON already.
  json_builder& raw(std::string_view json);

  template <class T>
  json_builder& field(std::string_view name, const T& any) {
    return key(name).value(any);
  }
  // As `field`, or null when there is none.
  template <class T>
  json_builder& field_or_null(std::string_view name, const T* any) {
    return any == nullptr ? key(name).null() : field(name, *any);
  }

 private:
  static constexpr std::size_t usual_bytes = 240;  // of an event with one token

  json_builder& open(char bracket);
  json_builder& close(char bracket);
  void separate();

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace troupe
