// Types, scalars, and how schemas are combined.
#include "text/grammar/schema_reader.hpp"

#include "text/grammar/regex.hpp"
#include "text/grammar/schema_keywords.hpp"
#include "text/grammar/string_format.hpp"

#include <algorithm>
#include <array>

namespace troupe::grammar {

std::string schema_graph::reader::where(std::string_view keyword) const {
  return graph_.index_.pointer(schema_) + "/" + std::string(keyword);
}

void schema_graph::reader::fail(std::string_view keyword, std::string message, error_code code) {
  std::string what(keyword.substr(0, keyword.find('/')));
  graph_.fail(where(keyword), std::move(what), std::move(message), code);
}

void schema_graph::reader::give_up(std::string_view keyword, const std::string& message) {
  graph_.give_up(where(keyword), std::string(keyword.substr(0, keyword.find('/'))), message);
}

void schema_graph::reader::give_up(std::string_view keyword, const failure& why) {
  if (why.code == error_code::unsupported) return give_up(keyword, why.message);
  fail(keyword, why.message, why.code);
}

void schema_graph::reader::warn(std::string_view keyword, std::string message) {
  graph_.warn(where(pointer_token(keyword)), std::string(keyword), std::move(message));
}

void schema_graph::reader::invalid(std::string_view keyword, const std::string& expected) {
  fail(keyword, "the schema is invalid, expected " + expected, error_code::invalid_argument);
}

std::optional<decimal> schema_graph::reader::number(const json_value& value, const char* keyword) {
  if (!value.is_number()) {
    invalid(keyword, "a number, found " + std::string(value.type_name()));
    return std::nullopt;
  }
  std::string text;
  append_json(text, value);
  auto out = parse_decimal(text);
  if (!out || out->whole().size() > 300 || out->fraction().size() > 300) {
    fail(keyword, "the number has more than 300 digits", error_code::too_large);
    return std::nullopt;
  }
  const auto whole = static_cast<std::uint32_t>(out->whole().size());
  const auto fraction = static_cast<std::uint32_t>(out->fraction().size());
  graph_.whole_digits_ = std::max(graph_.whole_digits_, whole + 1);
  graph_.fraction_digits_ = std::max(graph_.fraction_digits_, fraction + 1);
  if (fraction > 0) graph_.all_digits_ = std::max(graph_.all_digits_, whole + fraction + 1);
  return out;
}

// A count that is not negative; false when the keyword is not there.
bool schema_graph::reader::count(const char* keyword, std::uint32_t& out) {
  const json_value* value = find(keyword);
  if (value == nullptr) return false;
  const auto parsed = number(*value, keyword);
  if (!parsed) return false;
  if (parsed->negative || !parsed->is_integer()) {
    invalid(keyword, "a whole number that is not negative");
    return false;
  }
  const std::string digits = parsed->is_zero() ? "0" : parsed->whole();
  constexpr std::uint32_t most = 1U << 30U;
  out = digits.size() > 9 ? most : static_cast<std::uint32_t>(std::stoul(digits));
  return true;
}

bool schema_graph::reader::is_schema(const json_value& value, const std::string& keyword) {
  if (value.as_bool() != nullptr || value.as_object() != nullptr) return true;
  invalid(keyword, "a schema (an object or a boolean), found " + std::string(value.type_name()));
  return false;
}

const json_array* schema_graph::reader::schemas(const char* keyword) {
  const json_value* value = find(keyword);
  if (value == nullptr) return nullptr;
  const json_array* list = value->as_array();
  if (list == nullptr || list->empty()) {
    invalid(keyword, "a list of schemas that is not empty");
    return nullptr;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (!is_schema((*list)[i], std::string(keyword) + "/" + std::to_string(i))) return nullptr;
  }
  return list;
}

bool schema_graph::reader::is_short(std::string_view text, std::string_view keyword) {
  if (text.size() <= max_literal_bytes) return true;
  fail(keyword, "a name or text is longer than 8,192 bytes", error_code::too_large);
  return false;
}

std::vector<std::string> schema_graph::reader::names(const json_value& list,
                                                     const std::string& keyword) {
  std::vector<std::string> out;
  const json_array* items = list.as_array();
  if (items == nullptr) {
    invalid(keyword, "a list of names, found " + std::string(list.type_name()));
    return out;
  }
  for (const json_value& item : *items) {
    if (item.as_string() == nullptr) {
      invalid(keyword, "a list of names, found " + std::string(item.type_name()) + " in it");
      return out;
    }
    if (!is_short(*item.as_string(), keyword)) return out;
    out.push_back(*item.as_string());
  }
  return out;
}

void schema_graph::reader::check_keywords() {
  for (const char* keyword : {"$dynamicRef", "$recursiveRef", "$vocabulary"}) {
    if (find(keyword) != nullptr) give_up(keyword, "this keyword cannot be enforced");
  }
  for (const auto& [name, value] : *schema_.as_object()) {
    if (kind_of(name, graph_.index_.draft()) == keyword_kind::unknown) {
      warn(name, "is no keyword of this draft and says nothing here");
    }
  }
}

// Before 2019-09 nothing that stands beside a $ref counts.
void schema_graph::reader::warn_of_siblings() {
  for (const auto& [name, value] : *schema_.as_object()) {
    const auto kind = kind_of(name, graph_.index_.draft());
    if (name == "$ref" || kind == keyword_kind::annotation) continue;
    warn(name, "stands beside a $ref, where this draft does not read it");
  }
}

value_set schema_graph::reader::read() {
  if (const bool* all = schema_.as_bool()) return *all ? graph_.everything() : value_set{};
  if (schema_.as_object() == nullptr) {
    graph_.fail(graph_.index_.pointer(schema_), "",
                "a schema is an object or a boolean, found " + std::string(schema_.type_name()),
                error_code::invalid_argument);
    return {};
  }
  value_set out;
  if (before(schema_draft::draft_2019) && find("$ref") != nullptr) {
    out = graph_.everything();
    warn_of_siblings();
    read_reference(out, false);
    return out;
  }
  check_keywords();
  out = types();
  read_numbers(out);
  read_strings(out);
  read_arrays(out);
  read_objects(out);
  if (const json_value* value = find("const")) out = graph_.intersect(out, constant(*value));
  if (const json_value* values = find("enum")) {
    if (values->as_array() == nullptr) {
      invalid("enum", "a list of values, found " + std::string(values->type_name()));
    } else {
      out = graph_.intersect(out, enumerated(*values->as_array()));
    }
  }
  if (!graph_.failed()) read_in_place(out);
  if (!graph_.failed()) read_condition(out);
  if (!graph_.failed()) read_dependents(out);
  if (!graph_.failed()) read_unevaluated(out);
  return out;
}

value_set schema_graph::reader::types() {
  const json_value* type = find("type");
  value_set all = graph_.everything();
  if (type == nullptr) return all;
  value_set out;
  const json_array single{*type};
  const json_array* names = type->as_array() != nullptr ? type->as_array() : &single;
  for (const json_value& name : *names) {
    const std::string* text = name.as_string();
    const auto is = text == nullptr ? std::string_view{} : std::string_view{*text};
    if (is == "null") {
      out.null = true;
    } else if (is == "boolean") {
      out.no = out.yes = true;
    } else if (is == "number") {
      out.numbers = all.numbers;
      out.number_style = all_words;
    } else if (is == "integer") {
      if (out.numbers != no_word) continue;
      out.numbers = pool_.both(all.numbers, graph_.numbers_.multiples(1, 0));
      out.number_style = graph_.numbers_.integers(unbounded);
    } else if (is == "string") {
      out.strings = all.strings;
    } else if (is == "array") {
      out.arrays = all.arrays;
    } else if (is == "object") {
      out.objects = all.objects;
    } else {
      invalid("type", "one of null, boolean, number, integer, string, array, object");
    }
  }
  return out;
}

void schema_graph::reader::read_numbers(value_set& out) {
  read_bound(out, "minimum", true);
  read_bound(out, "maximum", false);
  read_exclusive(out, "exclusiveMinimum", true);
  read_exclusive(out, "exclusiveMaximum", false);
  read_multiple(out);
}

void schema_graph::reader::add_bound(value_set& out, const json_value& value, const char* keyword,
                                     bool is_lower, bool exclusive) {
  const auto bound = number(value, keyword);
  if (!bound || out.numbers == no_word) return;
  const number_bound at{*bound, exclusive};
  out.numbers = pool_.both(out.numbers,
                           is_lower ? graph_.numbers_.at_least(at) : graph_.numbers_.at_most(at));
}

void schema_graph::reader::read_bound(value_set& out, const char* keyword, bool is_lower) {
  const json_value* value = find(keyword);
  if (value == nullptr) return;
  const json_value* exclusive = find(is_lower ? "exclusiveMinimum" : "exclusiveMaximum");
  const bool is_exclusive =
      exclusive != nullptr && exclusive->as_bool() != nullptr && *exclusive->as_bool();
  add_bound(out, *value, keyword, is_lower, is_exclusive);
}

void schema_graph::reader::read_exclusive(value_set& out, const char* keyword, bool is_lower) {
  const json_value* value = find(keyword);
  if (value == nullptr) return;
  if (value->as_bool() != nullptr && graph_.index_.draft() != schema_draft::draft_6 &&
      graph_.index_.draft() != schema_draft::draft_7) {
    return;  // draft 4: says how `minimum` is meant
  }
  add_bound(out, *value, keyword, is_lower, true);
}

void schema_graph::reader::read_multiple(value_set& out) {
  const json_value* value = find("multipleOf");
  if (value == nullptr) return;
  const auto divisor = number(*value, "multipleOf");
  if (!divisor) return;
  if (divisor->negative || divisor->is_zero()) return invalid("multipleOf", "a number above zero");
  std::string digits = divisor->whole() + divisor->fraction();
  digits.erase(0, digits.find_first_not_of('0'));
  const auto decimals = static_cast<std::uint32_t>(divisor->fraction().size());
  const std::size_t zeros = digits.size() - digits.find_last_not_of('0') - 1;
  digits.resize(digits.size() - zeros);
  if (digits.size() > 4 || std::stoul(digits) > number_languages::max_numerator) {
    return fail("multipleOf", "digits above 5,000, zeros at the end aside, cannot be enforced",
                error_code::too_large);
  }
  const auto numerator = static_cast<std::uint32_t>(std::stoul(digits));
  if (out.numbers == no_word) return;
  out.numbers =
      pool_.both(out.numbers,
                 graph_.numbers_.multiples(numerator, decimals, static_cast<std::uint32_t>(zeros)));
}

void schema_graph::reader::read_strings(value_set& out) {
  constexpr std::uint32_t max_length = 65'536;
  std::uint32_t min = 0, max = unbounded;
  count("minLength", min);
  if (count("maxLength", max) && max > max_length) max = max_length;
  if (min > max_length) {
    return fail("minLength", "more than 65,536 characters", error_code::too_large);
  }
  if (min > 0 || max != unbounded) out.strings = pool_.both(out.strings, pool_.text(min, max));
  if (const json_value* pattern = find("pattern")) {
    if (pattern->as_string() == nullptr) return invalid("pattern", "a regular expression");
    const auto words = search_language(pool_, *pattern->as_string());
    if (words) {
      out.strings = pool_.both(out.strings, *words);
    } else if (out.strings != no_word || words.error().code != error_code::unsupported) {
      give_up("pattern", words.error());
    }
  }
  if (const json_value* format = find("format")) {
    if (format->as_string() == nullptr) return invalid("format", "a name");
    const auto words = format_language(pool_, *format->as_string());
    if (!words) {
      if (out.strings != no_word) give_up("format", words.error());
    } else if (*words) {
      out.strings = pool_.both(out.strings, **words);
    } else {
      warn("format",
           "\"" + *format->as_string() + "\" is no format of the standard and says nothing");
    }
  }
}

value_set schema_graph::reader::constant(const json_value& value) {
  value_set out;
  if (value.is_null()) {
    out.null = true;
  } else if (const bool* truth = value.as_bool()) {
    (*truth ? out.yes : out.no) = true;
  } else if (value.is_number()) {
    const auto parsed = number(value, "const");
    if (!parsed) return out;
    out.numbers = graph_.numbers_.equal(*parsed);
    std::string text = parsed->whole().empty() ? "0" : parsed->whole();
    if (!parsed->is_integer()) text += "." + parsed->fraction();
    out.number_style = pool_.bytes_outside(parsed->negative ? "-" + text : text);
  } else if (const std::string* text = value.as_string()) {
    if (!is_short(*text, "const")) return out;
    out.strings = pool_.code_points(decode_utf8(*text));
    out.literal_strings = true;
  } else if (const json_array* items = value.as_array()) {
    array_shape shape;
    for (const json_value& item : *items) shape.prefix.push_back(graph_.fixed(constant(item)));
    shape.rest = nothing_node;
    shape.min = shape.max = static_cast<std::uint32_t>(items->size());
    out.arrays.push_back(std::move(shape));
  } else if (const json_object* members = value.as_object()) {
    object_shape shape;
    for (const auto& [name, member] : *members) {
      if (!is_short(name, "const")) return out;
      shape.members.push_back({name, graph_.fixed(constant(member)), true, true});
    }
    shape.others.push_back({graph_.all_strings_, nothing_node});
    out.objects.push_back(std::move(shape));
  }
  return out;
}

value_set schema_graph::reader::enumerated(const json_array& values) {
  value_set out;
  std::vector<std::pair<std::u32string, language>> texts;
  std::vector<language> numbers, styles;
  for (const json_value& value : values) {
    if (const std::string* text = value.as_string()) {
      if (!is_short(*text, "enum")) return out;
      texts.emplace_back(decode_utf8(*text), empty_word);
    } else if (value.is_number()) {
      const value_set one = constant(value);
      numbers.push_back(one.numbers);
      styles.push_back(one.number_style);
    } else {
      out = graph_.join(out, constant(value));
      if (graph_.failed()) return out;
    }
  }
  if (!numbers.empty()) {
    out.numbers = pool_.any_of(std::move(numbers));
    out.number_style = pool_.any_of(std::move(styles));
  }
  if (!texts.empty()) {
    out.strings = pool_.words(texts);
    out.literal_strings = true;
  }
  return out;
}

}  // namespace troupe::grammar
