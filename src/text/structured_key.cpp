#include "text/structured_key.hpp"

#include <optional>
#include <utility>

#include "text/structured_source.hpp"

namespace troupe {
namespace {

failure not_a_key(const char* member) {
  return {error_code::invalid_argument, "no text of a grammar", member};
}

template <class Enum>
std::optional<Enum> read_word(const json_value& from, const char* name, Enum last) {
  const auto* member = from.find(name);
  const auto* value = member ? member->as_int() : nullptr;
  if (!value || *value < 0 || *value > static_cast<int>(last)) return std::nullopt;
  return static_cast<Enum>(*value);
}

std::optional<bool> read_bool(const json_value& from, const char* name) {
  const auto* member = from.find(name);
  const auto* value = member ? member->as_bool() : nullptr;
  if (!value) return std::nullopt;
  return *value;
}

const std::string* read_text(const json_value& from, const char* name) {
  const auto* member = from.find(name);
  return member ? member->as_string() : nullptr;
}

std::optional<structured_tool> read_tool(const json_value& from) {
  const auto* name = read_text(from, "name");
  auto is_strict = read_bool(from, "strict");
  auto is_lenient = read_bool(from, "lenient");
  const auto* parameters = from.find("parameters");
  if (!name || !is_strict || !is_lenient || !parameters) return std::nullopt;
  return structured_tool{*name, *parameters, *is_strict, *is_lenient};
}

outcome<structured_request> read_lists(const json_value& from, structured_request out) {
  const auto* choices = from.find("choices");
  const auto* tools = from.find("tools");
  if (!choices || !choices->as_array()) return not_a_key("choices");
  if (!tools || !tools->as_array()) return not_a_key("tools");
  for (auto& choice : *choices->as_array()) {
    if (!choice.as_string()) return not_a_key("choices");
    out.choices.push_back(*choice.as_string());
  }
  for (auto& tool : *tools->as_array()) {
    auto read = read_tool(tool);
    if (!read) return not_a_key("tools");
    out.tools.push_back(*std::move(read));
  }
  return out;
}

outcome<structured_request> read_request(const json_value& from) {
  auto kind = read_word(from, "kind", structure_kind::tool_calls);
  auto whitespace = read_word(from, "whitespace", schema_options::blanks::any);
  const auto* schema = from.find("schema");
  const auto* text = read_text(from, "text");
  auto is_strict = read_bool(from, "strict");
  auto is_lenient = read_bool(from, "lenient");
  auto must_call = read_bool(from, "must_call");
  auto may_repeat = read_bool(from, "may_repeat");
  if (!kind || !whitespace || !schema || !text) return not_a_key("kind");
  if (!is_strict || !is_lenient || !must_call || !may_repeat) return not_a_key("strict");
  structured_request out{.kind = *kind,
                         .schema = *schema,
                         .text = *text,
                         .is_strict = *is_strict,
                         .is_lenient = *is_lenient,
                         .whitespace = *whitespace,
                         .must_call = *must_call,
                         .may_repeat = *may_repeat};
  if (const auto* instead = from.find("instead")) {
    auto read = read_request(*instead);
    if (!read) return read;
    out.instead = std::make_shared<const structured_request>(*std::move(read));
  }
  return read_lists(from, std::move(out));
}

}  // namespace

// A schema was within the limits of its request; the text around it adds two levels.
outcome<structured_request> read_canonical_key(const std::string& text) {
  auto value = parse_json(text, {.max_depth = 2 * json_limits{}.max_depth});
  if (!value) return value.error();
  return read_request(*value);
}

outcome<grammar_source_ptr> read_structured_source(const std::string& text,
                                                   std::shared_ptr<const grammar_compiler> how) {
  auto ask = read_canonical_key(text);
  if (!ask) return ask.error();
  return grammar_source_ptr{
      std::make_shared<const structured_source>(*std::move(ask), std::move(how))};
}

}  // namespace troupe
