#include "text/json.hpp"
#include "text/json_number.hpp"

#include <charconv>
#include <cmath>

namespace troupe {
namespace {

struct separators {
  std::string_view comma, colon;
  bool keeps_wide = true;  // numbers that no double holds
};

template <class Integer>
void append_integer(std::string& out, Integer value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value);
  out.append(text, end.ptr);
}

// The short escape of a character, or 0.
char short_escape(char c) {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
  }
}

void append(std::string& out, const json_value& value, const separators& marks);

struct appender {
  std::string& out;
  const separators& marks;

  void operator()(std::nullptr_t) const { out += "null"; }
  void operator()(bool yes) const { out += yes ? "true" : "false"; }
  void operator()(std::int64_t number) const { append_integer(out, number); }
  void operator()(std::uint64_t number) const { append_integer(out, number); }
  void operator()(double number) const {
    // JSON has no word for them, and a reader must never meet invalid JSON.
    if (std::isfinite(number))
      append_double(out, number);
    else
      out += "null";
  }
  void operator()(const wide_number& number) const {
    const bool is_integer = number.text.find_first_of(".eE") == std::string::npos;
    if (is_integer || marks.keeps_wide)
      out += number.text;
    else
      append_double(out, rounded_number(number.text));
  }
  void operator()(const std::string& text) const { append_json_string(out, text); }
  void operator()(const json_array& items) const {
    out += '[';
    for (const auto& item : items) {
      if (&item != items.data()) out += marks.comma;
      append(out, item, marks);
    }
    out += ']';
  }
  void operator()(const json_object& members) const {
    out += '{';
    for (const auto& member : members) {
      if (&member != members.data()) out += marks.comma;
      append_json_string(out, member.first);
      out += marks.colon;
      append(out, member.second, marks);
    }
    out += '}';
  }
};

void append(std::string& out, const json_value& value, const separators& marks) {
  std::visit(appender{out, marks}, value.value());
}

}  // namespace

void append_json_string(std::string& out, std::string_view utf8) {
  constexpr char hex[] = "0123456789abcdef";
  out += '"';
  std::size_t begin = 0;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(utf8, begin, i - begin);
    begin = i + 1;
    out += '\\';
    if (const char letter = short_escape(utf8[i])) {
      out += letter;
    } else {
      out += "u00";
      out += hex[byte >> 4U];
      out += hex[byte & 15U];
    }
  }
  out.append(utf8, begin, utf8.size() - begin);
  out += '"';
}

void append_json(std::string& out, const json_value& value) {
  append(out, value, separators{",", ":"});
}

void append_json_python(std::string& out, const json_value& value) {
  append(out, value, separators{", ", ": ", false});
}

}  // namespace troupe
