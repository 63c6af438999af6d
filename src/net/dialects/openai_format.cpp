#include "net/dialects/openai_format.hpp"

#include <string>
#include <utility>

#include "net/structured_fields.hpp"

namespace troupe {
namespace {

const json_value null_value;

// {"name", "description", "schema", "strict"}, and of ours "lenient" and "whitespace".
void read_named_schema(structure_reader& out, body_fields& format, std::string_view path) {
  if (auto name = format.text("name"); !name || name->empty())
    format.refuse("name", format.place("name") + " is missing, expected a string");
  format.text("description");
  structure_reader form(format);
  form.schema("schema");
  if (!form.has_any())
    format.refuse("schema", format.place("schema") + " is missing, expected a JSON Schema");
  form.options();
  auto ask = form.take();
  if (ask) ask->field = path;
  out.add(std::move(ask));
}

void read_nested_schema(structure_reader& out, body_fields& format) {
  auto path = format.place("json_schema");
  auto* value = format.raw("json_schema");
  body_fields inner(value == nullptr ? null_value : *value, path);
  read_named_schema(out, inner, path);
  if (auto checked = inner.finish(); !checked) format.refuse(checked.error());
}

// A form that stands in a member with the name of its type.
void read_own_form(structure_reader& out, body_fields& format, const std::string& type) {
  if (type == "regex")
    out.regex(type);
  else if (type == "choice")
    out.choice(type);
  else
    out.grammar(type);
  if (!out.has_any()) format.refuse(type, format.place(type) + " is missing");
}

void read_typed(structure_reader& out, body_fields& format, const std::string& path, nesting form) {
  auto type = format.text("type").value_or("");
  if (type == "json_object") {
    out.add(structured_request{.kind = structure_kind::any_object, .field = path});
    out.whitespace();
  } else if (type == "json_schema" && form == nesting::flat) {
    read_named_schema(out, format, path);
  } else if (type == "json_schema") {
    read_nested_schema(out, format);
  } else if (type == "regex" || type == "choice" || type == "grammar") {
    read_own_form(out, format, type);
  } else if (type != "text") {
    format.refuse("type", format.place("type") +
                              " must be text, json_object, json_schema, regex, choice or grammar");
  }
}

// Ours does what a tag asks for by tools alone, and its blanks are bounded, none or any.
void refuse_foreign(body_fields& fields, std::string_view name, std::string_view hint) {
  if (fields.raw(name) != nullptr)
    fields.refuse(name, fields.place(name) + " is not offered: " + std::string(hint),
                  error_code::unsupported);
}

void read_structured_outputs(structure_reader& out, const json_value& value, body_fields& fields) {
  body_fields inner(value, "structured_outputs");
  structure_reader form(inner);
  form.schema("json", true);
  form.any_object("json_object");
  form.regex("regex");
  form.choice("choice");
  form.grammar("grammar");
  form.strict("disable_additional_properties");
  form.compact("disable_any_whitespace");
  form.whitespace();
  form.lenient();
  inner.flag("disable_fallback", true);  // there is one engine only
  refuse_foreign(inner, "whitespace_pattern", "whitespace is bounded, compact or any");
  refuse_foreign(inner, "structural_tag", "tools are the only tags");
  if (!form.has_any())
    inner.refuse({.message = "structured_outputs asks for nothing, expected one of json, "
                             "json_object, regex, choice and grammar",
                  .field = "structured_outputs"});
  if (auto checked = inner.finish(); !checked) fields.refuse(checked.error());
  out.add(form.take());
}

void read_guided(structure_reader& out, body_fields& fields) {
  out.schema("guided_json", true);
  out.regex("guided_regex");
  out.choice("guided_choice");
  out.grammar("guided_grammar");
  refuse_foreign(fields, "guided_whitespace_pattern",
                 "structured_outputs.whitespace is bounded, compact or any");
  refuse_foreign(fields, "structural_tag", "tools are the only tags");
  fields.text("guided_decoding_backend");  // there is one only
}

}  // namespace

std::optional<structured_request> read_format(body_fields& fields, std::string_view name,
                                              nesting form) {
  auto* value = fields.raw(name);
  if (value == nullptr) return std::nullopt;
  auto path = fields.place(name);
  body_fields format(*value, path);
  structure_reader out(format);
  read_typed(out, format, path, form);
  if (auto checked = format.finish(); !checked) fields.refuse(checked.error());
  return out.take();
}

std::optional<structured_request> read_text_form(body_fields& fields) {
  structure_reader form(fields);
  form.add(read_format(fields, "response_format", nesting::nested));
  if (auto* value = fields.raw("structured_outputs")) read_structured_outputs(form, *value, fields);
  read_guided(form, fields);
  return form.take();
}

}  // namespace troupe
