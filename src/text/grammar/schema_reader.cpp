// Types, scalars, and how schemas are combined.
#include "text/grammar/schema_reader.hpp"

#include "text/grammar/regex.hpp"
#include "text/grammar/string_format.hpp"

#include <algorithm>
#include <array>

namespace troupe::grammar {

std::string schema_graph::reader::where(std::string_view keyword) const {
  return pointer_ + "/" + std::string(keyword);
}

void schema_graph::reader::fail(std::string_view keyword, std::string message, error_code code) {
  std::string what(keyword.substr(0, keyword.find('/')));
  graph_.fail(where(keyword), std::move(what), std::move(message), code);
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
  const bool is_double = std::holds_alternative<double>(value.value());
  if (is_double && out->digits.size() > 16) {
    fail(keyword, "the number has more than 16 digits", error_code::too_large);
    return std::nullopt;
  }
  graph_.whole_digits_ = std::max<std::uint32_t>(
      graph_.whole_digits_, static_cast<std::uint32_t>(out->whole().size()) + 1);
  graph_.fraction_digits_ = std::max<std::uint32_t>(
      graph_.fraction_digits_, static_cast<std::uint32_t>(out->fraction().size()) + 1);
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
    out.push_back(*item.as_string());
  }
  return out;
}

void schema_graph::reader::check_keywords() {
  for (const char* keyword : {"$dynamicRef", "$recursiveRef"}) {
    if (find(keyword) != nullptr) fail(keyword, "this keyword cannot be enforced");
  }
}

value_set schema_graph::reader::read() {
  if (const bool* all = schema_.as_bool()) return *all ? graph_.everything() : value_set{};
  if (schema_.as_object() == nullptr) {
    graph_.fail(pointer_, "",
                "a schema is an object or a boolean, found " + std::string(schema_.type_name()),
                error_code::invalid_argument);
    return {};
  }
  value_set out;
  if (before(schema_draft::draft_2019) && find("$ref") != nullptr) {
    out = graph_.everything();  // its siblings do not count
    read_reference(out);
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
  if (!graph_.failed()) read_reference(out);
  if (!graph_.failed()) read_combined(out);
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
  if (digits.size() > 6 || std::stoul(digits) > number_languages::max_numerator) {
    return fail("multipleOf", "more than 5 digits cannot be enforced", error_code::too_large);
  }
  const auto numerator = static_cast<std::uint32_t>(std::stoul(digits));
  if (out.numbers == no_word) return;
  out.numbers = pool_.both(out.numbers, graph_.numbers_.multiples(numerator, decimals));
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
    if (!words) return fail("pattern", words.error().message, words.error().code);
    out.strings = pool_.both(out.strings, *words);
  }
  if (const json_value* format = find("format")) {
    if (format->as_string() == nullptr) return invalid("format", "a name");
    if (out.strings == no_word) return;
    const auto words = format_language(pool_, *format->as_string());
    if (!words) return fail("format", words.error().message, words.error().code);
    if (*words) out.strings = pool_.both(out.strings, **words);
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
      shape.members.push_back({name, graph_.fixed(constant(member)), true});
    }
    shape.others.push_back({graph_.all_strings_, nothing_node});
    out.objects.push_back(std::move(shape));
  }
  return out;
}

value_set schema_graph::reader::enumerated(const json_array& values) {
  value_set out;
  std::vector<std::pair<std::u32string, language>> texts;
  for (const json_value& value : values) {
    if (const std::string* text = value.as_string()) {
      texts.emplace_back(decode_utf8(*text), empty_word);
    } else {
      out = graph_.join(out, constant(value));
    }
  }
  if (!texts.empty()) {
    out.strings = pool_.words(texts);
    out.literal_strings = true;
  }
  return out;
}

void schema_graph::reader::read_reference(value_set& out) {
  const json_value* reference = find("$ref");
  if (reference == nullptr) return;
  if (reference->as_string() == nullptr) return invalid("$ref", "a reference");
  const auto target = graph_.index_.find(schema_, *reference->as_string());
  if (!target) return fail("$ref", target.error().message, target.error().code);
  if (!is_schema(**target, "$ref")) return;
  out = graph_.intersect(out, graph_.values(graph_.at(**target)));
}

void schema_graph::reader::read_combined(value_set& out) {
  if (const json_array* all = schemas("allOf")) {
    for (const json_value& each : *all) {
      out = graph_.intersect(out, graph_.values(graph_.at(each)));
      if (graph_.failed()) return;
    }
  }
  if (const json_array* any = schemas("anyOf")) {
    value_set joined;
    for (const json_value& each : *any) {
      joined = graph_.join(joined, graph_.values(graph_.at(each)));
      if (graph_.failed()) return;
    }
    if (graph_.index_.asks_evaluated()) joined = graph_.join(joined, overlaps(*any));
    out = graph_.intersect(out, joined);
  }
  if (const json_array* one = schemas("oneOf")) out = one_of(out, *one);
  if (const json_value* excluded = find("not")) {
    if (!is_schema(*excluded, "not")) return;
    out = graph_.subtract(out, graph_.values(graph_.at(*excluded)), where("not"));
  }
}

// What fits several branches is looked at by each of them.
value_set schema_graph::reader::overlaps(const json_array& branches) {
  constexpr std::size_t max_branches = 6;
  value_set out;
  if (branches.size() > max_branches) {
    fail("anyOf", "more than 6 branches together with unevaluated keywords cannot be enforced");
  }
  for (std::size_t some = 1; some < (1U << branches.size()) && !graph_.failed(); ++some) {
    value_set met = graph_.everything();
    for (std::size_t i = 0; i < branches.size(); ++i) {
      if ((some >> i & 1U) != 0) met = graph_.intersect(met, graph_.values(graph_.at(branches[i])));
    }
    out = graph_.join(out, met);
  }
  return out;
}

// Each branch without all the others that it meets.
value_set schema_graph::reader::one_of(const value_set& base, const json_array& branches) {
  std::vector<value_set> sets;
  for (const json_value& branch : branches) {
    sets.push_back(graph_.intersect(base, graph_.values(graph_.at(branch))));
    if (graph_.failed()) return {};
  }
  value_set out;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    value_set own = sets[i];
    for (std::size_t j = 0; j < sets.size() && !graph_.failed(); ++j) {
      if (j == i || !graph_.is_productive(graph_.intersect(own, sets[j]))) continue;
      const std::string place = where("oneOf");
      own = graph_.subtract(own, graph_.values(graph_.at(branches[j])), place);
    }
    out = graph_.join(out, own);
  }
  return out;
}

void schema_graph::reader::read_condition(value_set& out) {
  const json_value* condition = find("if");
  if (condition == nullptr || before(schema_draft::draft_7)) return;
  const json_value* yes = find("then");
  const json_value* no = find("else");
  if (yes == nullptr && no == nullptr && !graph_.index_.asks_evaluated()) return;
  if (!is_schema(*condition, "if") || (yes != nullptr && !is_schema(*yes, "then")) ||
      (no != nullptr && !is_schema(*no, "else"))) {
    return;
  }
  const value_set& when = graph_.values(graph_.at(*condition));
  value_set held = graph_.intersect(out, when);
  value_set other = graph_.subtract(out, when, where("if"));
  if (yes != nullptr) held = graph_.intersect(held, graph_.values(graph_.at(*yes)));
  if (no != nullptr) other = graph_.intersect(other, graph_.values(graph_.at(*no)));
  out = graph_.join(held, other);
}

}  // namespace troupe::grammar
