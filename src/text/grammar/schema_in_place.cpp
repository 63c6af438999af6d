// The keywords that apply schemas to the same value: $ref, allOf, anyOf, oneOf, not, if.
#include "text/grammar/schema_reader.hpp"

#include <algorithm>

namespace troupe::grammar {

// Members are written in the order in which the document names them, so what stands before
// `properties` brings its members first: the left side of an intersection leads.
void schema_graph::reader::meet(value_set& out, const value_set& with, bool is_early) {
  out = is_early ? graph_.intersect(with, out) : graph_.intersect(out, with);
}

// The keywords that hold schemas of the same value.
void schema_graph::reader::read_in_place(value_set& out) {
  std::vector<std::string_view> early, late;
  bool is_early = find("properties") != nullptr;
  for (const auto& [name, value] : *schema_.as_object()) {
    if (name == "properties") is_early = false;
    if (name == "$ref" || name == "allOf" || name == "anyOf") {
      (is_early ? early : late).push_back(name);
    }
  }
  std::reverse(early.begin(), early.end());  // the first of them goes leftmost at last
  for (const auto* list : {&early, &late}) {
    for (const std::string_view name : *list) {
      if (name == "$ref") read_reference(out, list == &early);
      if (name == "allOf") read_all(out, list == &early);
      if (name == "anyOf") read_any(out, list == &early);
      if (graph_.failed()) return;
    }
  }
  read_one(out);
  if (!graph_.failed()) read_not(out);
}

void schema_graph::reader::read_reference(value_set& out, bool is_early) {
  const json_value* reference = find("$ref");
  if (reference->as_string() == nullptr) return invalid("$ref", "a reference");
  const auto target = graph_.index_.find(schema_, *reference->as_string());
  if (!target) return give_up("$ref", target.error());
  if (!is_schema(**target, "$ref")) return;
  meet(out, graph_.values(graph_.at(**target)), is_early);
}

void schema_graph::reader::read_all(value_set& out, bool is_early) {
  const json_array* all = schemas("allOf");
  if (all == nullptr) return;
  std::vector<const json_value*> order;
  for (const json_value& each : *all) order.push_back(&each);
  if (is_early) std::reverse(order.begin(), order.end());
  for (const json_value* each : order) {
    meet(out, graph_.values(graph_.at(*each)), is_early);
    if (graph_.failed()) return;
  }
}

void schema_graph::reader::read_any(value_set& out, bool is_early) {
  const json_array* any = schemas("anyOf");
  if (any == nullptr) return;
  value_set joined;
  for (const json_value& each : *any) {
    joined = graph_.join(joined, graph_.values(graph_.at(each)));
    if (graph_.failed()) return;
  }
  if (graph_.index_.asks_evaluated()) joined = graph_.join(joined, overlaps(*any));
  meet(out, joined, is_early);
}

void schema_graph::reader::read_not(value_set& out) {
  const json_value* excluded = find("not");
  if (excluded == nullptr || !is_schema(*excluded, "not")) return;
  out = graph_.subtract(out, graph_.values(graph_.at(*excluded)), where("not"));
}

// What fits several branches is looked at by each of them.
value_set schema_graph::reader::overlaps(const json_array& branches) {
  constexpr std::size_t max_branches = 6;
  value_set out;
  if (branches.size() > max_branches) {
    give_up("anyOf", "more than 6 branches together with unevaluated keywords cannot be enforced");
    return out;
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
void schema_graph::reader::read_one(value_set& out) {
  const json_array* branches = schemas("oneOf");
  if (branches == nullptr) return;
  bool is_early = false;
  for (const auto& [name, value] : *schema_.as_object()) {
    if (name == "properties") break;
    is_early = is_early || (name == "oneOf" && find("properties") != nullptr);
  }
  std::vector<value_set> sets;
  for (const json_value& branch : *branches) {
    sets.push_back(out);
    meet(sets.back(), graph_.values(graph_.at(branch)), is_early);
    if (graph_.failed()) return;
  }
  value_set joined;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    value_set own = sets[i];
    for (std::size_t j = 0; j < sets.size() && !graph_.failed(); ++j) {
      if (j == i || !graph_.is_productive(graph_.intersect(own, sets[j]))) continue;
      own = graph_.subtract(own, graph_.values(graph_.at((*branches)[j])), where("oneOf"));
    }
    joined = graph_.join(joined, own);
  }
  out = std::move(joined);
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
