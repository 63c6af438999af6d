// The members by which APIs ask for the form of an answer. Their names differ, what they hold does
// not.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "net/body_fields.hpp"
#include "text/structured.hpp"

namespace troupe {

// Takes what one object asks for; more than one form is refused with the names of both. Each member
// is read if it is there.
class structure_reader {
 public:
  // What is wrong stays in `fields`.
  explicit structure_reader(body_fields& fields) : fields_(fields) {}

  // A JSON Schema: an object or a boolean; where `may_be_text`, also JSON within a string.
  void schema(std::string_view name, bool may_be_text = false);
  void any_object(std::string_view name);  // a flag
  void regex(std::string_view name);
  void choice(std::string_view name);
  void grammar(std::string_view name);
  // What another object asks for.
  void add(std::optional<structured_request> ask);

  // How it is meant; after the form. strict and lenient belong to a schema, blanks to any JSON.
  void strict(std::string_view name = "strict");
  void lenient(std::string_view name = "lenient");
  void whitespace(std::string_view name = "whitespace");
  void compact(std::string_view name);  // a flag
  // strict, lenient and whitespace.
  void options();

  bool has_any() const { return ask_.has_value(); }
  std::optional<structured_request> take() { return std::move(ask_); }

 private:
  bool is_schema() const { return ask_ && ask_->kind == structure_kind::schema; }
  bool is_json() const;
  void text(std::string_view name, structure_kind kind);
  // The value of a flag that goes with some forms only.
  bool flag(std::string_view name, bool is_fitting, std::string_view goes_with);

  body_fields& fields_;
  std::optional<structured_request> ask_;
};

// A schema as a client wrote it; what is no schema stays in `fields`.
json_value read_schema_value(body_fields& fields, std::string_view name, const json_value& value,
                             bool may_be_text);

}  // namespace troupe
