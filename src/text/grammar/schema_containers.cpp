// The keywords of arrays and objects.
#include "text/grammar/schema_reader.hpp"

#include "text/grammar/regex.hpp"

#include <algorithm>

namespace troupe::grammar {

void schema_graph::reader::read_items(array_shape& shape) {
  const json_value* prefix = find("prefixItems");
  const json_value* items = find("items");
  const json_value* rest = items;
  const char* rest_keyword = "items";
  if (prefix != nullptr && before(schema_draft::draft_2020)) prefix = nullptr;
  if (prefix == nullptr && items != nullptr && items->as_array() != nullptr) {
    prefix = items;  // before 2020-12 a list of items is what prefixItems is since
    rest = find("additionalItems");
    rest_keyword = "additionalItems";
  }
  if (prefix != nullptr) {
    const char* keyword = prefix == items ? "items" : "prefixItems";
    if (prefix->as_array() == nullptr) return invalid(keyword, "a list of schemas");
    for (const json_value& each : *prefix->as_array()) {
      if (!is_schema(each, keyword)) return;
      shape.prefix.push_back(graph_.at(each));
    }
  }
  shape.evaluated = static_cast<std::uint32_t>(shape.prefix.size());
  if (rest != nullptr && is_schema(*rest, rest_keyword)) {
    const bool* truth = rest->as_bool();
    shape.rest = truth != nullptr && !*truth ? nothing_node : graph_.at(*rest);
    shape.evaluated = unbounded;
  }
}

// Only where every item counts, or none.
void schema_graph::reader::read_contains(array_shape& shape) {
  const json_value* wanted = find("contains");
  if (wanted == nullptr || before(schema_draft::draft_6) || !is_schema(*wanted, "contains")) return;
  std::uint32_t least = 1, most = unbounded;
  if (!before(schema_draft::draft_2019)) {
    count("minContains", least);
    count("maxContains", most);
  }
  const schema_node node = graph_.at(*wanted);
  const value_set& counted = graph_.values(node);
  if (graph_.failed()) return;
  if (node == any_node || (shape.rest == node && shape.prefix.empty())) {
    shape.min = std::max(shape.min, least);
    shape.max = std::min(shape.max, most);
    shape.evaluated = unbounded;
  } else if (!graph_.is_productive(counted)) {
    if (least > 0) shape = {{}, nothing_node, 1, 0, 0};
  } else if (least > 0 || most != unbounded || graph_.index_.asks_evaluated()) {
    give_up("contains", "that some items differ from others cannot be enforced");
  }
}

void schema_graph::reader::read_arrays(value_set& out) {
  array_shape shape;
  read_items(shape);
  count("minItems", shape.min);
  count("maxItems", shape.max);
  if (!out.arrays.empty()) read_contains(shape);
  const json_value* unique = find("uniqueItems");
  if (unique != nullptr && unique->as_bool() == nullptr) invalid("uniqueItems", "a boolean");
  if (unique != nullptr && unique->as_bool() != nullptr && *unique->as_bool()) {
    const bool at_most_one =
        shape.max <= 1 || (shape.rest == nothing_node && shape.prefix.size() < 2);
    if (!at_most_one && !out.arrays.empty()) {
      give_up("uniqueItems", "that items differ from each other cannot be enforced");
    }
  }
  if (out.arrays.empty()) return;
  out.arrays = {shape};
}

// Splits the names by the patterns that they match.
void schema_graph::reader::read_groups(object_shape& shape) {
  constexpr std::size_t max_groups = 64;
  const json_value* additional = find("additionalProperties");
  schema_node rest = graph_.options_.strict && find("patternProperties") == nullptr &&
                             find("properties") != nullptr
                         ? nothing_node
                         : any_node;
  if (additional != nullptr) {
    if (!is_schema(*additional, "additionalProperties")) return;
    const bool* truth = additional->as_bool();
    rest = truth != nullptr && !*truth ? nothing_node : graph_.at(*additional);
  }
  shape.others = {{graph_.all_strings_, unbounded}};  // unbounded: no pattern matches
  if (const json_value* patterns = find("patternProperties")) {
    if (patterns->as_object() == nullptr) return invalid("patternProperties", "an object");
    for (const auto& [pattern, value] : *patterns->as_object()) {
      if (!is_schema(value, "patternProperties/" + pointer_token(pattern))) return;
      const auto words = search_language(pool_, pattern);
      if (!words) {
        failure why = words.error();
        why.message.insert(0, "\"" + pattern + "\" ");
        give_up("patternProperties", why);
        if (graph_.failed()) return;
        rest = any_node;  // nobody knows which names are additional
        continue;
      }
      const schema_node node = graph_.at(value);
      std::vector<object_shape::group> split;
      for (const object_shape::group& group : shape.others) {
        const language inside = pool_.both(group.names, *words);
        const language beyond = pool_.minus(group.names, *words);
        const schema_node met = group.value == unbounded ? node : graph_.both(group.value, node);
        if (pool_.is_live(inside)) split.push_back({inside, met});
        if (pool_.is_live(beyond)) split.push_back({beyond, group.value});
      }
      shape.others = std::move(split);
      if (shape.others.size() > max_groups) {
        return fail("patternProperties", "too many patterns meet", error_code::too_large);
      }
    }
  }
  for (object_shape::group& group : shape.others) {
    const bool is_rest = group.value == unbounded;
    if (is_rest) group.value = rest;
    if (!graph_.index_.asks_evaluated()) continue;
    if (is_rest && additional == nullptr) continue;
    shape.evaluated = pool_.any_of({shape.evaluated, group.names});
  }
}

void schema_graph::reader::read_members(object_shape& shape) {
  const json_value* properties = find("properties");
  const json_value* required = find("required");
  std::vector<std::string> needed;
  const bool is_draft_3 = required != nullptr && required->as_bool() != nullptr;
  if (is_draft_3) warn("required", "a boolean says nothing here, a list of names would");
  if (required != nullptr && !is_draft_3) needed = names(*required, "required");
  const std::set<std::string_view> is_needed(needed.begin(), needed.end());
  std::set<std::string_view> declared;
  if (properties != nullptr) {
    if (properties->as_object() == nullptr) return invalid("properties", "an object");
    std::vector<std::pair<language, schema_node>> matches;
    if (const json_value* list = find("patternProperties")) {
      for (const auto& [pattern, value] : *list->as_object()) {
        const auto words = search_language(pool_, pattern);
        if (words) matches.emplace_back(*words, graph_.at(value));
      }
    }
    for (const auto& [name, value] : *properties->as_object()) {
      if (!is_schema(value, "properties/" + pointer_token(name))) return;
      if (!is_short(name, "properties")) return;
      // A declared member obeys the patterns that its name matches, but no additionalProperties.
      schema_node node = graph_.at(value);
      for (const auto& [words, match] : matches) {
        if (!graph_.can_afford(name.size())) return;
        if (pool_.contains(words, decode_utf8(name))) node = graph_.both(node, match);
      }
      shape.members.push_back({name, node, is_needed.contains(name), true});
      declared.insert(name);
      if (!graph_.index_.asks_evaluated()) continue;
      shape.evaluated = pool_.any_of({shape.evaluated, pool_.code_points(decode_utf8(name))});
    }
  }
  for (const std::string& name : needed) {
    if (!declared.insert(name).second) continue;
    shape.members.push_back({name, graph_.value_of(shape.others, name), true});
  }
}

void schema_graph::reader::read_names(object_shape& shape) {
  const json_value* names = find("propertyNames");
  if (names == nullptr || before(schema_draft::draft_6)) return;
  if (!is_schema(*names, "propertyNames")) return;
  const language allowed = graph_.values(graph_.at(*names)).strings;
  for (object_shape::member& member : shape.members) {
    if (!pool_.contains(allowed, decode_utf8(member.name))) member.value = nothing_node;
  }
  std::vector<object_shape::group> split;
  for (const object_shape::group& group : shape.others) {
    const language inside = pool_.both(group.names, allowed);
    const language beyond = pool_.minus(group.names, allowed);
    if (pool_.is_live(inside)) split.push_back({inside, group.value});
    if (pool_.is_live(beyond)) split.push_back({beyond, nothing_node});
  }
  shape.others = std::move(split);
}

void schema_graph::reader::read_objects(value_set& out) {
  object_shape shape;
  read_groups(shape);
  if (graph_.failed()) return;
  read_members(shape);
  if (graph_.failed()) return;
  read_names(shape);
  count("minProperties", shape.min);
  count("maxProperties", shape.max);
  if (!out.objects.empty()) out.objects = {shape};
}

// Everything that is no object, and objects with (or without) one member.
schema_node schema_graph::reader::needs(const std::string& name, schema_node value, bool required) {
  value_set set = graph_.everything();
  set.objects[0].members.push_back({name, value, required});
  return graph_.fixed(std::move(set), &schema_);
}

void schema_graph::reader::read_dependents(value_set& out) {
  for (const char* keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const json_value* list = find(keyword);
    if (list == nullptr || graph_.failed()) continue;
    const std::string_view is = keyword;
    if (is != "dependencies" && before(schema_draft::draft_2019)) continue;
    if (list->as_object() == nullptr) return invalid(keyword, "an object");
    for (const auto& [name, demand] : *list->as_object()) {
      if (!is_short(name, keyword)) return;
      const value_set without = graph_.values(needs(name, nothing_node, false));
      value_set with = graph_.values(needs(name, any_node, true));
      if (demand.as_array() != nullptr) {
        for (const std::string& other : names(demand, keyword)) {
          with = graph_.intersect(with, graph_.values(needs(other, any_node, true)));
        }
      } else {
        if (!is_schema(demand, std::string(keyword) + "/" + pointer_token(name))) return;
        with = graph_.intersect(with, graph_.values(graph_.at(demand)));
      }
      value_set both = graph_.join(without, with);
      out = graph_.intersect(out, both);
      if (graph_.failed()) return;
    }
  }
}

void schema_graph::reader::bind_unevaluated(object_shape& shape, schema_node value) {
  for (object_shape::member& member : shape.members) {
    if (pool_.contains(shape.evaluated, decode_utf8(member.name))) continue;
    member.value = graph_.both(member.value, value);
  }
  std::vector<object_shape::group> split;
  for (const object_shape::group& group : shape.others) {
    const language inside = pool_.both(group.names, shape.evaluated);
    const language beyond = pool_.minus(group.names, shape.evaluated);
    if (pool_.is_live(inside)) split.push_back({inside, group.value});
    if (pool_.is_live(beyond)) split.push_back({beyond, graph_.both(group.value, value)});
  }
  shape.others = std::move(split);
  shape.evaluated = graph_.all_strings_;
}

// The last keywords of all: what no other keyword of this schema has looked at.
void schema_graph::reader::read_unevaluated(value_set& out) {
  if (before(schema_draft::draft_2019)) return;
  const json_value* items = find("unevaluatedItems");
  const json_value* members = find("unevaluatedProperties");
  if (out.inexact || graph_.gave_up_) {  // what was not enforced may have looked at anything
    constexpr auto why = "another keyword of the schema is not enforced";
    if (items != nullptr) give_up("unevaluatedItems", why);
    if (members != nullptr) give_up("unevaluatedProperties", why);
    return;
  }
  if (items != nullptr && is_schema(*items, "unevaluatedItems")) {
    const schema_node value = graph_.at(*items);
    for (array_shape& shape : out.arrays) {
      if (shape.evaluated == unbounded) continue;
      while (shape.prefix.size() < shape.evaluated) shape.prefix.push_back(shape.rest);
      for (std::size_t i = shape.evaluated; i < shape.prefix.size(); ++i) {
        shape.prefix[i] = graph_.both(shape.prefix[i], value);
      }
      shape.rest = graph_.both(shape.rest, value);
      shape.evaluated = unbounded;
    }
  }
  if (members != nullptr && is_schema(*members, "unevaluatedProperties")) {
    const schema_node value = graph_.at(*members);
    for (object_shape& shape : out.objects) bind_unevaluated(shape, value);
  }
}

}  // namespace troupe::grammar
