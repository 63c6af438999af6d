// Unions, intersections and differences of what schemas allow.
#include "text/grammar/schema_graph.hpp"

#include <algorithm>
#include <utility>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_shapes = 256;

template <class Shape>
void add_new(std::vector<Shape>& to, const std::vector<Shape>& more) {
  for (const Shape& shape : more) {
    if (std::find(to.begin(), to.end(), shape) == to.end()) to.push_back(shape);
  }
}

// The keyword that a pointer ends with.
std::string last_part(const std::string& pointer) { return pointer.substr(pointer.rfind('/') + 1); }

}  // namespace

template <class Shape>
void schema_graph::check_count(const std::vector<Shape>& shapes) {
  if (shapes.size() <= max_shapes) return;
  fail(read_ == nullptr ? "" : index_.pointer(*read_), "",
       "the schema has more than 256 alternatives for one value", error_code::too_large);
}

value_set schema_graph::join(const value_set& a, const value_set& b) {
  value_set out = a;
  out.null |= b.null;
  out.no |= b.no;
  out.yes |= b.yes;
  out.numbers = pool_.any_of({a.numbers, b.numbers});
  out.number_style = a.numbers == no_word   ? b.number_style
                     : b.numbers == no_word ? a.number_style
                                            : pool_.any_of({a.number_style, b.number_style});
  out.strings = pool_.any_of({a.strings, b.strings});
  out.literal_strings =
      (a.literal_strings || a.strings == no_word) && (b.literal_strings || b.strings == no_word);
  add_new(out.arrays, b.arrays);
  add_new(out.objects, b.objects);
  out.inexact = a.inexact || b.inexact;
  check_count(out.arrays);
  check_count(out.objects);
  return out;
}

value_set schema_graph::intersect(const value_set& a, const value_set& b) {
  value_set out;
  out.null = a.null && b.null;
  out.no = a.no && b.no;
  out.yes = a.yes && b.yes;
  out.numbers = pool_.both(a.numbers, b.numbers);
  out.number_style = pool_.both(a.number_style, b.number_style);
  out.strings = pool_.both(a.strings, b.strings);
  out.literal_strings = a.literal_strings || b.literal_strings;
  out.inexact = a.inexact || b.inexact;
  for (const array_shape& x : a.arrays) {
    for (const array_shape& y : b.arrays) add_new(out.arrays, {intersect(x, y)});
    check_count(out.arrays);
    if (failed()) return out;
  }
  for (const object_shape& x : a.objects) {
    for (const object_shape& y : b.objects) add_new(out.objects, {intersect(x, y)});
    check_count(out.objects);
    if (failed()) return out;
  }
  // Alternatives are met pair by pair; most of the pairs of two lists exclude each other.
  if (out.objects.size() > 1) {
    std::erase_if(out.objects, [&](const object_shape& shape) { return !is_productive(shape); });
  }
  return out;
}

array_shape schema_graph::intersect(const array_shape& a, const array_shape& b) {
  array_shape out;
  const std::size_t size = std::max(a.prefix.size(), b.prefix.size());
  if (!can_afford(1 + size)) return out;
  for (std::size_t i = 0; i < size; ++i) out.prefix.push_back(both(a.item(i), b.item(i)));
  out.rest = both(a.rest, b.rest);
  out.min = std::max(a.min, b.min);
  out.max = std::min(a.max, b.max);
  out.evaluated = std::max(a.evaluated, b.evaluated);
  return out;
}

// Of a member that has this name and no declaration.
schema_node schema_graph::value_of(const std::vector<object_shape::group>& others,
                                   const std::string& name) {
  if (others.size() == 1 && others[0].names == all_strings_) return others[0].value;
  const std::u32string word = decode_utf8(name);
  for (const object_shape::group& group : others) {
    if (!can_afford(word.size())) break;
    if (pool_.contains(group.names, word)) return group.value;
  }
  return nothing_node;
}

// In the order of `a`, then of `b`; members that are only required come last.
std::vector<object_shape::member> schema_graph::intersect_members(const object_shape& a,
                                                                  const object_shape& b) {
  using member = object_shape::member;
  std::unordered_map<std::string_view, const member*> in_a, in_b;
  for (const member& each : a.members) in_a.emplace(each.name, &each);
  for (const member& each : b.members) in_b.emplace(each.name, &each);
  const auto find = [](const auto& in, const member& wanted) {
    const auto found = in.find(wanted.name);
    return found == in.end() ? nullptr : found->second;
  };
  std::vector<member> out;
  out.reserve(a.members.size() + b.members.size());
  const auto add = [&](const std::string& name, const member* x, const member* y) {
    const schema_node left = x != nullptr ? x->value : value_of(a.others, name);
    const schema_node right = y != nullptr ? y->value : value_of(b.others, name);
    const bool required = (x != nullptr && x->required) || (y != nullptr && y->required);
    const bool declared = (x != nullptr && x->declared) || (y != nullptr && y->declared);
    out.push_back({name, both(left, right), required, declared});
  };
  for (const member& x : a.members) {
    if (x.declared) add(x.name, &x, find(in_b, x));
  }
  for (const member& y : b.members) {
    const member* x = find(in_a, y);
    if (y.declared && (x == nullptr || !x->declared)) add(y.name, x, &y);
  }
  for (const member& x : a.members) {
    const member* y = find(in_b, x);
    if (!x.declared && (y == nullptr || !y->declared)) add(x.name, &x, y);
  }
  for (const member& y : b.members) {
    if (!y.declared && find(in_a, y) == nullptr) add(y.name, nullptr, &y);
  }
  return out;
}

object_shape schema_graph::intersect(const object_shape& a, const object_shape& b) {
  object_shape out;
  if (!can_afford(1 + 2 * (a.members.size() + b.members.size()))) return out;
  out.members = intersect_members(a, b);
  for (const object_shape::group& x : a.others) {
    for (const object_shape::group& y : b.others) {
      const language names = pool_.both(x.names, y.names);
      if (pool_.is_live(names)) out.others.push_back({names, both(x.value, y.value)});
    }
  }
  out.min = std::max(a.min, b.min);
  out.max = std::min(a.max, b.max);
  out.evaluated = pool_.any_of({a.evaluated, b.evaluated});
  return out;
}

value_set schema_graph::subtract(const value_set& a, const value_set& b, const std::string& where) {
  value_set out = a;
  if (b.inexact) {  // nobody knows what would be left
    give_up(where, last_part(where), "what it refers to is not enforced exactly");
    out.inexact = true;
    return out;
  }
  const bool had_given_up = std::exchange(gave_up_, false);
  out.null = a.null && !b.null;
  out.no = a.no && !b.no;
  out.yes = a.yes && !b.yes;
  out.numbers = pool_.minus(a.numbers, b.numbers);
  out.strings = pool_.minus(a.strings, b.strings);
  for (const array_shape& taken : b.arrays) {
    std::vector<array_shape> left;
    for (const array_shape& shape : out.arrays) add_new(left, subtract(shape, taken, where));
    out.arrays = std::move(left);
    check_count(out.arrays);
  }
  for (const object_shape& taken : b.objects) {
    std::vector<object_shape> left;
    for (const object_shape& shape : out.objects) add_new(left, subtract(shape, taken, where));
    out.objects = std::move(left);
    check_count(out.objects);
  }
  out.inexact = out.inexact || gave_up_;
  gave_up_ = gave_up_ || had_given_up;
  return out;
}

// A node that allows what `n` does not.
schema_node schema_graph::complement_of(schema_node n, const std::string& where) {
  if (n == any_node) return nothing_node;
  if (n == nothing_node) return any_node;
  const auto known = complements_.find(n);
  if (known != complements_.end()) {
    gave_up_ = gave_up_ || nodes_[known->second].set->inexact;
    return known->second;
  }
  value_set left = subtract(everything(), values(n), where);
  const schema_node made = fixed(std::move(left), nodes_[n].origin);
  complements_.emplace(n, made);
  return made;
}

// The most items that an array of this shape can have.
std::uint32_t schema_graph::longest_of(const array_shape& shape) {
  for (std::size_t i = 0; i <= shape.prefix.size() && i < shape.max; ++i) {
    if (!is_productive(shape.item(i))) return static_cast<std::uint32_t>(i);
  }
  return shape.max;
}

// a without b: what breaks at least one of the demands of b.
std::vector<array_shape> schema_graph::subtract(const array_shape& a, const array_shape& b,
                                                const std::string& where) {
  const array_shape met = intersect(a, b);
  if (failed() || !is_productive(met)) return {a};
  std::vector<array_shape> out;
  const std::uint32_t longest = longest_of(met);
  if (a.max > longest) {  // items that fit nowhere in b make what is longer differ from b
    array_shape longer = a, rest = a;
    longer.min = std::max(a.min, longest + 1);
    rest.max = longest;
    out = subtract(rest, b, where);
    if (is_productive(longer)) out.push_back(std::move(longer));
    return out;
  }
  if (b.min > 0) {
    array_shape fewer = a;
    fewer.max = std::min(fewer.max, b.min - 1);
    out.push_back(std::move(fewer));
  }
  if (b.max != unbounded) {
    array_shape more = a;
    more.min = std::max(more.min, b.max + 1);
    out.push_back(std::move(more));
  }
  for (std::size_t i = 0; i < b.prefix.size(); ++i) {
    if (b.prefix[i] == any_node) continue;
    array_shape differs;
    differs.prefix.assign(i, any_node);
    differs.prefix.push_back(complement_of(b.prefix[i], where));
    differs.min = static_cast<std::uint32_t>(i + 1);
    out.push_back(intersect(a, differs));
  }
  if (b.rest == nothing_node) {
    array_shape more = a;
    more.min = std::max(more.min, static_cast<std::uint32_t>(b.prefix.size() + 1));
    out.push_back(std::move(more));
  } else if (b.rest != any_node) {
    // Some item after the prefix differs: with an exact place only when there is one such place.
    if (a.max > b.prefix.size() + 1) {
      give_up(where, last_part(where), "an array in which some item differs cannot be enforced");
      return {a};
    }
    array_shape differs;
    differs.prefix.assign(b.prefix.size(), any_node);
    differs.prefix.push_back(complement_of(b.rest, where));
    differs.min = static_cast<std::uint32_t>(b.prefix.size() + 1);
    out.push_back(intersect(a, differs));
  }
  std::erase_if(out, [&](const array_shape& shape) { return !is_productive(shape); });
  return out;
}

std::vector<object_shape> schema_graph::subtract(const object_shape& a, const object_shape& b,
                                                 const std::string& where) {
  if (failed() || !is_productive(intersect(a, b))) return {a};
  std::vector<object_shape> out;
  for (const object_shape::member& member : b.members) {
    if (member.required) {
      object_shape absent = any_object();
      absent.members.push_back({member.name, nothing_node, false});
      out.push_back(intersect(a, absent));
    }
    if (member.value != any_node) {
      object_shape differs = any_object();
      differs.members.push_back({member.name, complement_of(member.value, where), true});
      out.push_back(intersect(a, differs));
    }
  }
  if (b.min > 0) {
    object_shape fewer = a;
    fewer.max = std::min(fewer.max, b.min - 1);
    out.push_back(std::move(fewer));
  }
  if (b.max != unbounded) {
    object_shape more = a;
    more.min = std::max(more.min, b.max + 1);
    out.push_back(std::move(more));
  }
  for (const object_shape::group& group : b.others) {
    if (group.value == any_node) continue;
    // Some other name has a value that differs: only if `a` lets such names be at all.
    for (const object_shape::group& own : a.others) {
      language names = pool_.both(own.names, group.names);
      for (const auto* shape : {&a, &b}) {
        for (const object_shape::member& member : shape->members) {
          names = pool_.minus(names, pool_.code_points(decode_utf8(member.name)));
        }
      }
      if (pool_.is_live(names) && is_productive(own.value)) {
        give_up(where, last_part(where),
                "an object in which some other member differs cannot be enforced");
        return {a};
      }
    }
    for (const object_shape::member& member : a.members) {
      const auto in_b = [&](const object_shape::member& m) { return m.name == member.name; };
      if (std::any_of(b.members.begin(), b.members.end(), in_b)) continue;
      if (!pool_.contains(group.names, decode_utf8(member.name))) continue;
      object_shape differs = any_object();
      differs.members.push_back({member.name, complement_of(group.value, where), true});
      out.push_back(intersect(a, differs));
    }
  }
  std::erase_if(out, [&](const object_shape& shape) { return !is_productive(shape); });
  return out;
}

}  // namespace troupe::grammar
