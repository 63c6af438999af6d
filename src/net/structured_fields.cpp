#include "net/structured_fields.hpp"

#include <utility>

namespace troupe {
namespace {

constexpr std::size_t max_choices = 10'000;
constexpr std::size_t max_choice_bytes = 8'192;

}  // namespace

json_value read_schema_value(body_fields& fields, std::string_view name, const json_value& value,
                             bool may_be_text) {
  auto place = fields.place(name);
  auto* text = value.as_string();
  if (may_be_text && text != nullptr) {
    auto parsed = parse_json(*text);
    if (!parsed) {
      fields.refuse(name, place + " is not valid JSON: " + parsed.error().message);
      return {};
    }
    return read_schema_value(fields, name, *parsed, false);
  }
  if (value.as_object() != nullptr || value.as_bool() != nullptr) return value;
  fields.refuse(name, place + " must be an object, a JSON Schema" +
                          (may_be_text ? ", or its text" : "") + ", found " +
                          std::string(value.type_name()));
  return {};
}

void structure_reader::add(std::optional<structured_request> ask) {
  if (!ask) return;
  if (ask_)
    fields_.refuse({.message = ask_->field + " and " + ask->field +
                               " exclude each other: an answer has one form",
                    .field = ask->field});
  ask_ = std::move(ask);
}

void structure_reader::schema(std::string_view name, bool may_be_text) {
  auto* value = fields_.raw(name);
  if (value == nullptr) return;
  add(structured_request{.kind = structure_kind::schema,
                         .schema = read_schema_value(fields_, name, *value, may_be_text),
                         .field = fields_.place(name)});
}

void structure_reader::any_object(std::string_view name) {
  if (!fields_.flag(name, false)) return;
  add(structured_request{.kind = structure_kind::any_object, .field = fields_.place(name)});
}

void structure_reader::text(std::string_view name, structure_kind kind) {
  auto found = fields_.text(name);
  if (!found) return;
  if (found->empty()) fields_.refuse(name, fields_.place(name) + " must not be empty");
  add(structured_request{.kind = kind, .text = *std::move(found), .field = fields_.place(name)});
}

void structure_reader::regex(std::string_view name) { text(name, structure_kind::regex); }

void structure_reader::grammar(std::string_view name) { text(name, structure_kind::grammar); }

void structure_reader::choice(std::string_view name) {
  if (fields_.raw(name) == nullptr) return;
  auto texts = fields_.texts(name, max_choices, max_choice_bytes);
  if (texts.empty()) fields_.refuse(name, fields_.place(name) + " must have at least one text");
  add(structured_request{
      .kind = structure_kind::choice, .choices = std::move(texts), .field = fields_.place(name)});
}

bool structure_reader::is_json() const {
  return ask_ && (ask_->kind == structure_kind::any_json ||
                  ask_->kind == structure_kind::any_object || is_schema());
}

bool structure_reader::flag(std::string_view name, bool is_fitting, std::string_view goes_with) {
  bool is_on = fields_.flag(name, false);
  if (!is_on || is_fitting) return is_on;
  fields_.refuse(name, fields_.place(name) + " goes with " + std::string(goes_with) + " only");
  return false;
}

void structure_reader::strict(std::string_view name) {
  if (flag(name, is_schema(), "a JSON Schema")) ask_->is_strict = true;
}

void structure_reader::lenient(std::string_view name) {
  if (flag(name, is_schema(), "a JSON Schema")) ask_->is_lenient = true;
}

void structure_reader::compact(std::string_view name) {
  if (flag(name, is_json(), "JSON")) ask_->whitespace = schema_options::blanks::compact;
}

void structure_reader::whitespace(std::string_view name) {
  auto word = fields_.text(name);
  if (!word) return;
  auto place = fields_.place(name);
  if (!is_json()) return fields_.refuse(name, place + " goes with JSON only");
  using blanks = schema_options::blanks;
  if (*word == "compact")
    ask_->whitespace = blanks::compact;
  else if (*word == "any")
    ask_->whitespace = blanks::any;
  else if (*word != "bounded")
    fields_.refuse(name, place + " must be bounded, compact or any");
}

void structure_reader::options() {
  strict();
  lenient();
  whitespace();
}

}  // namespace troupe
