#include "text/json_builder.hpp"

#include <charconv>
#include <cmath>

namespace troupe {

void json_builder::separate() {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
}

json_builder& json_builder::open(char bracket) {
  separate();
  out_ += bracket;
  needs_comma_ = false;
  return *this;
}

json_builder& json_builder::close(char bracket) {
  out_ += bracket;
  needs_comma_ = true;
  return *this;
}

json_builder& json_builder::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  needs_comma_ = false;
  return *this;
}

json_builder& json_builder::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

json_builder& json_builder::value(std::string_view text) {
  separate();
  append_json_string(out_, text);
  return *this;
}

json_builder& json_builder::value(bool yes) { return raw(yes ? "true" : "false"); }

json_builder& json_builder::value(double number) {
  separate();
  append_json(out_, json_value{number});
  return *this;
}

// The shortest text that reads back as the same float: a double's would show digits of noise.
json_builder& json_builder::value(float number) {
  if (!std::isfinite(number)) return null();
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, number).ptr;
  return raw({text, static_cast<std::size_t>(end - text)});
}

json_builder& json_builder::value(const json_value& any) {
  separate();
  append_json(out_, any);
  return *this;
}

json_builder& json_builder::null() { return raw("null"); }

}  // namespace troupe
