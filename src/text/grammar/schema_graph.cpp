#include "text/grammar/schema_graph.hpp"

#include "text/grammar/schema_reader.hpp"
#include "text/utf8.hpp"

#include <algorithm>
#include <utility>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_nodes = 100'000;
constexpr std::uint32_t max_depth = 256;
constexpr std::uint32_t max_asked = 1'000;

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    const utf8_char c = read_utf8(text, at);
    out += c.code_point;
    at += c.num_bytes;
  }
  return out;
}

schema_graph::schema_graph(language_pool& pool, const json_value& root,
                           const schema_options& options, compile_budget& budget)
    : pool_(pool),
      numbers_(pool),
      index_(root),
      document_(root),
      options_(options),
      budget_(budget),
      all_numbers_(numbers_.plain(unbounded, unbounded)),
      all_strings_(pool.text()) {
  fixed(everything());
  fixed({});
  if (!index_.excess().empty()) fail("", "$id", index_.excess(), error_code::too_large);
  if (!index_.is_known_draft()) {
    warn("/$schema", "$schema", "names no draft that is known; the schema is read as 2020-12");
  }
}

schema_node schema_graph::root() { return at(document_); }

void schema_graph::fail(std::string pointer, std::string keyword, std::string reason,
                        error_code code) {
  if (!why_) why_ = refuse_grammar(code, std::move(pointer), std::move(keyword), std::move(reason));
}

void schema_graph::give_up(std::string pointer, std::string keyword, const std::string& reason) {
  if (!options_.lenient) return fail(std::move(pointer), std::move(keyword), reason);
  gave_up_ = true;
  warn(std::move(pointer), std::move(keyword), "not enforced: " + reason);
}

void schema_graph::warn(std::string pointer, std::string keyword, std::string reason) {
  constexpr std::size_t max_warnings = 100;
  if (warnings_.size() == max_warnings && !warnings_.contains({pointer, keyword})) {
    has_more_warnings_ = true;
    return;
  }
  warnings_.emplace(std::pair(std::move(pointer), std::move(keyword)), std::move(reason));
}

std::vector<grammar_note> schema_graph::warnings() const {
  std::vector<grammar_note> out;
  for (const auto& [place, reason] : warnings_) out.push_back({place.first, place.second, reason});
  if (has_more_warnings_) out.push_back({"", "", "there are more warnings than these 100"});
  return out;
}

std::string schema_graph::pointer(schema_node n) const {
  const json_value* origin = nodes_[n].origin;
  return origin == nullptr ? std::string() : index_.pointer(*origin);
}

bool schema_graph::can_afford(std::uint64_t steps) {
  if (budget_.spend(steps) && !pool_.is_exhausted()) return true;
  fail(read_ == nullptr ? "" : index_.pointer(*read_), "",
       "the schema is too large: " + budget_.reason(), budget_.code());
  return false;
}

void schema_graph::hold(const value_set& set) {
  std::uint64_t bytes = sizeof(node) + sizeof(array_shape) * set.arrays.size();
  for (const array_shape& shape : set.arrays) bytes += sizeof(schema_node) * shape.prefix.size();
  for (const object_shape& shape : set.objects) {
    bytes += sizeof shape + sizeof(object_shape::group) * shape.others.size();
    for (const object_shape::member& member : shape.members) {
      bytes += sizeof member + member.name.capacity();
    }
  }
  budget_.hold(bytes);
}

value_set schema_graph::everything() const {
  value_set out;
  out.null = out.no = out.yes = true;
  out.numbers = all_numbers_;
  out.strings = all_strings_;
  out.arrays.push_back(any_array());
  out.objects.push_back(any_object());
  return out;
}

object_shape schema_graph::any_object() const {
  object_shape out;
  out.others.push_back({all_strings_, any_node});
  return out;
}

schema_node schema_graph::fixed(value_set set, const json_value* origin) {
  hold(set);
  node& fresh = nodes_.emplace_back();
  fresh.set = std::move(set);
  fresh.origin = origin;
  return static_cast<schema_node>(nodes_.size() - 1);
}

schema_node schema_graph::at(const json_value& schema) {
  if (const bool* all = schema.as_bool(); all != nullptr && *all) return any_node;
  const auto [found, fresh] = by_schema_.emplace(&schema, static_cast<schema_node>(nodes_.size()));
  if (fresh) {
    node& made = nodes_.emplace_back();
    made.schema = made.origin = &schema;
  }
  return found->second;
}

// Flat and without repeats, so that recursive intersections come back to themselves.
schema_node schema_graph::both(schema_node a, schema_node b) {
  if (a == b || b == any_node) return a;
  if (a == any_node) return b;
  if (a == nothing_node || b == nothing_node) return nothing_node;
  std::vector<schema_node> parts;
  for (const schema_node side : {a, b}) {
    const std::vector<schema_node>& inner = nodes_[side].parts;
    if (inner.empty()) parts.push_back(side);
    parts.insert(parts.end(), inner.begin(), inner.end());
  }
  std::set<schema_node> known;
  std::erase_if(parts, [&](schema_node part) { return !known.insert(part).second; });
  if (parts.size() == 1) return parts[0];
  const auto [found, fresh] = by_parts_.emplace(parts, static_cast<schema_node>(nodes_.size()));
  if (fresh) {
    node& made = nodes_.emplace_back();
    made.parts = std::move(parts);
    made.origin = nodes_[a].origin;
  }
  return found->second;
}

const value_set& schema_graph::values(schema_node n) {
  static const value_set none;
  node& here = nodes_[n];
  if (here.set) return *here.set;
  if (failed()) return none;
  if (here.is_open) {
    fail(pointer(n), "", "unsatisfiable: the schema refers to itself without anything in between",
         error_code::invalid_argument);
    return none;
  }
  if (nodes_.size() > max_nodes) {
    fail(pointer(n), "", "the schema is too large: more than 100,000 parts", error_code::too_large);
  }
  if (depth_ >= max_depth) {
    fail(pointer(n), "", "the schema is nested deeper than 256 levels", error_code::too_large);
  }
  if (failed() || !can_afford(1)) return none;
  ++depth_;
  here.is_open = true;
  const bool had_given_up = std::exchange(gave_up_, false);
  const json_value* const was_read = std::exchange(read_, here.origin);
  value_set read_set = read(here);
  read_set.inexact = read_set.inexact || gave_up_;
  gave_up_ = had_given_up;
  read_ = was_read;
  here.is_open = false;
  --depth_;
  hold(read_set);
  here.set = std::move(read_set);
  return *here.set;
}

value_set schema_graph::read(node& from) {
  if (from.parts.empty()) return reader(*this, *from.schema).read();
  value_set out = values(from.parts[0]);
  for (std::size_t i = 1; i < from.parts.size() && !failed(); ++i) {
    out = intersect(out, values(from.parts[i]));
  }
  return out;
}

bool schema_graph::is_productive(schema_node n) {
  bool is_provisional = false;
  return ask_productive(n, is_provisional);
}

bool schema_graph::is_productive(const value_set& set) {
  bool is_provisional = false;
  return any_productive(set, is_provisional);
}

bool schema_graph::is_productive(const array_shape& shape) {
  bool is_provisional = false;
  return shape_productive(shape, is_provisional);
}

bool schema_graph::is_productive(const object_shape& shape) {
  bool is_provisional = false;
  return shape_productive(shape, is_provisional);
}

// Depth first; what is asked for a second time on the way counts as dead, and such an answer is
// provisional unless it is "productive".
bool schema_graph::ask_productive(schema_node n, bool& is_provisional) {
  if (n == any_node) return true;
  if (n == nothing_node) return false;
  if (nodes_[n].alive == life::productive) return true;
  if (nodes_[n].alive == life::dead) return false;
  if (nodes_[n].alive == life::asked) {
    is_provisional = true;
    return false;
  }
  const value_set& set = values(n);
  if (asked_ > max_asked) {
    fail(pointer(n), "", "the schema demands more than 1,000 levels", error_code::too_large);
  }
  if (failed()) return true;
  nodes_[n].alive = life::asked;
  bool provisional = false;
  ++asked_;
  const bool found = any_productive(set, provisional);
  --asked_;
  nodes_[n].alive = found ? life::productive : provisional ? life::unknown : life::dead;
  is_provisional = is_provisional || (!found && provisional);
  return found;
}

bool schema_graph::any_productive(const value_set& set, bool& is_provisional) {
  if (set.null || set.no || set.yes) return true;
  if (pool_.is_live(set.strings)) return true;
  if (pool_.is_live(set.numbers)) return true;
  for (const array_shape& shape : set.arrays) {
    if (shape_productive(shape, is_provisional)) return true;
  }
  for (const object_shape& shape : set.objects) {
    if (shape_productive(shape, is_provisional)) return true;
  }
  return false;
}

bool schema_graph::shape_productive(const array_shape& shape, bool& is_provisional) {
  if (shape.min > shape.max) return false;
  for (std::size_t i = 0; i < shape.min; ++i) {
    if (!ask_productive(shape.item(i), is_provisional)) return false;
    if (i >= shape.prefix.size()) break;
  }
  return true;
}

bool schema_graph::shape_productive(const object_shape& shape, bool& is_provisional) {
  if (!can_afford(1 + shape.members.size())) return true;
  std::uint32_t num_required = 0;
  for (const object_shape::member& member : shape.members) num_required += member.required ? 1 : 0;
  if (shape.min > shape.max || num_required > shape.max) return false;
  // Those that are a list of values first: they tell alternatives apart, and cost least.
  const auto is_literal = [&](const object_shape::member& member) {
    const auto& known = nodes_[member.value].set;
    return known && known->arrays.empty() && known->objects.empty();
  };
  for (const bool literal : {true, false}) {
    for (const object_shape::member& member : shape.members) {
      if (!member.required || is_literal(member) != literal) continue;
      if (!ask_productive(member.value, is_provisional)) return false;
    }
  }
  if (shape.min <= num_required) return true;
  std::uint64_t names = num_required;
  for (const object_shape::member& member : shape.members) {
    if (!member.required && ask_productive(member.value, is_provisional)) ++names;
  }
  if (names >= shape.min) return true;
  std::vector<std::pair<std::u32string, language>> list;
  for (const object_shape::member& member : shape.members) {
    list.emplace_back(decode_utf8(member.name), empty_word);
  }
  const language declared = list.empty() ? no_word : pool_.words(list);
  for (const object_shape::group& group : shape.others) {
    if (names >= shape.min) break;
    if (ask_productive(group.value, is_provisional)) {
      names += pool_.count_words(pool_.minus(group.names, declared), shape.min);
    }
  }
  return names >= shape.min;
}

std::string schema_graph::blame(schema_node n) {
  std::set<schema_node> known;
  while (known.insert(n).second) {
    const node& here = nodes_[n];
    if (!can_afford(1)) break;
    if (here.schema != nullptr) {
      const json_value* reference = here.schema->find("$ref");
      if (reference != nullptr && reference->as_string() != nullptr) {
        const auto target = index_.find(*here.schema, *reference->as_string());
        if (target && !is_productive(at(**target))) {
          n = at(**target);
          continue;
        }
      }
    }
    const value_set& set = values(n);
    if (set.objects.size() != 1 || !set.arrays.empty()) break;
    schema_node next = n;
    for (const object_shape::member& member : set.objects[0].members) {
      if (!member.required || is_productive(member.value)) continue;
      if (member.value == nothing_node || nodes_[member.value].origin == nullptr) {
        return pointer(n) + "/required";
      }
      next = member.value;
      break;
    }
    n = next;
  }
  return pointer(n);
}

}  // namespace troupe::grammar
