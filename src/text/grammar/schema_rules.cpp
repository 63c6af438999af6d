#include "text/grammar/schema_rules.hpp"

#include "text/grammar/json_rules.hpp"
#include "text/grammar/schema_graph.hpp"
#include "text/grammar/schema_keywords.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

constexpr std::uint64_t few_names = 64, many_names = 4'096;

class rule_builder {
 public:
  rule_builder(language_pool& pool, rule_set& rules, const json_value& schema,
               const schema_options& options, compile_budget& budget)
      : pool_(pool), rules_(rules), budget_(budget), graph_(pool, schema, options, budget) {}

  grammar_outcome<value_index> build() {
    const schema_node root = graph_.root();
    const bool some = graph_.is_productive(root);
    if (const auto why = find_failure()) return *why;
    if (!some) {
      return refuse_grammar(error_code::invalid_argument, graph_.blame(root), "",
                            "unsatisfiable: no finite value fits the schema");
    }
    const value_index out = value_of(root);
    while (!open_.empty() && !graph_.why() && !why_) {
      const schema_node n = open_.back();
      open_.pop_back();
      fill(n);
    }
    if (const auto why = find_failure()) return *why;
    return out;
  }

  std::vector<grammar_note> warnings() const { return graph_.warnings(); }

 private:
  // A pool that is exhausted forgets words, so nothing that it says counts any more.
  std::optional<grammar_refusal> find_failure() const {
    if (graph_.why()) return graph_.why();
    if (!pool_.is_exhausted() && !budget_.is_spent()) return why_;
    return refuse_grammar(budget_.code(), "", "", "the schema is too large: " + budget_.reason());
  }

  value_index value_of(schema_node n) {
    const auto [at, fresh] = known_.emplace(n, static_cast<value_index>(rules_.values.size()));
    if (fresh) {
      rules_.values.emplace_back();
      open_.push_back(n);
    }
    return at->second;
  }

  void fill(schema_node n) {
    const value_set& set = graph_.values(n);
    value_rule rule;
    const language scalars = scalars_of(n, set);
    if (scalars != no_word) rule.scalars = pool_.concat(scalars, pool_.tag(label::value));
    const bool literal = set.literal_strings || set.strings == no_word;
    rule.how = literal ? spelling::canonical : spelling::json;
    for (const array_shape& shape : set.arrays) {
      if (graph_.is_productive(shape)) add(rule, array_of(shape));
    }
    for (const object_shape& shape : set.objects) {
      if (graph_.is_productive(shape)) add(rule, object_of(shape));
    }
    rules_.values[known_.at(n)] = std::move(rule);
  }

  template <class Rule>
  void add(value_rule& to, Rule made) {
    to.containers.push_back(static_cast<container_index>(rules_.containers.size()));
    rules_.containers.push_back({std::move(made), 1});
  }

  language scalars_of(schema_node n, const value_set& set) {
    std::vector<language> parts;
    if (set.null) parts.push_back(pool_.bytes_outside("null"));
    if (set.no) parts.push_back(pool_.bytes_outside("false"));
    if (set.yes) parts.push_back(pool_.bytes_outside("true"));
    if (set.numbers == graph_.all_numbers() && set.number_style == all_words) {
      parts.push_back(number_languages(pool_).any());
    } else if (pool_.is_live(set.numbers)) {
      const language size = number_languages(pool_).of_digits(
          graph_.whole_digits(), graph_.fraction_digits(), graph_.all_digits());
      const language spelled = pool_.both(pool_.both(set.numbers, set.number_style), size);
      if (!pool_.is_live(spelled)) {
        why_ = refuse_grammar(error_code::too_large, graph_.pointer(n), "",
                              "no number of a reasonable length fits the schema");
      }
      parts.push_back(spelled);
    }
    if (pool_.is_live(set.strings)) parts.push_back(quoted(pool_, set.strings));
    return pool_.any_of(std::move(parts));
  }

  array_rule array_of(const array_shape& shape) {
    array_rule out;
    out.min = shape.min;
    out.max = shape.max;
    for (std::size_t i = 0; i < shape.prefix.size() && i < out.max; ++i) {
      if (!graph_.is_productive(shape.prefix[i])) {
        out.max = static_cast<std::uint32_t>(i);
        return out;
      }
      out.prefix.push_back(value_of(shape.prefix[i]));
    }
    if (out.max > out.prefix.size() && graph_.is_productive(shape.rest)) {
      out.rest = value_of(shape.rest);
    } else {
      out.max = std::min(out.max, static_cast<std::uint32_t>(out.prefix.size()));
    }
    return out;
  }

  object_rule object_of(const object_shape& shape) {
    object_rule out;
    out.min = shape.min;
    out.max = shape.max;
    std::vector<std::pair<std::u32string, language>> names;
    for (const object_shape::member& member : shape.members) {
      std::u32string name = decode_utf8(member.name);
      names.emplace_back(name, empty_word);
      if (!graph_.is_productive(member.value)) continue;
      out.members.push_back({std::move(name), value_of(member.value), member.required});
    }
    const language declared = names.empty() ? no_word : pool_.words(names);
    for (const object_shape::group& group : shape.others) {
      if (!graph_.is_productive(group.value)) continue;
      add_group(out, pool_.minus(group.names, declared), value_of(group.value));
    }
    out.num_required.assign(out.members.size() + 1, 0);
    for (std::size_t i = out.members.size(); i > 0; --i) {
      out.num_required[i - 1] = out.num_required[i] + (out.members[i - 1].required ? 1 : 0);
    }
    return out;
  }

  // A handful of names are members like the declared ones: none of them is a dead end.
  void add_group(object_rule& out, language names, value_index value) {
    std::vector<std::u32string> list;
    if (pool_.list_words(names, few_names, list)) {
      for (std::u32string& name : list) out.members.push_back({std::move(name), value, false});
      return;
    }
    const std::uint64_t count = pool_.count_words(names, many_names);
    out.num_names = std::min<std::uint64_t>(
        unbounded, out.num_names + (count == many_names ? unbounded : count));
    out.others.push_back({names, value});
  }

  language_pool& pool_;
  rule_set& rules_;
  compile_budget& budget_;
  schema_graph graph_;
  std::map<schema_node, value_index> known_;
  std::vector<schema_node> open_;
  std::optional<grammar_refusal> why_;
};

std::uint32_t height_of(const rule_set& rules, const value_rule& value) {
  if (value.scalars != no_word) return 0;
  std::uint32_t least = unbounded;
  for (const container_index c : value.containers) {
    least = std::min(least, rules.containers[c].height);
  }
  return least;
}

std::uint32_t height_of(const rule_set& rules, const container_rule& container) {
  std::uint32_t most = 0;
  const auto see = [&](value_index value) {
    most = std::max(most, height_of(rules, rules.values[value]));
  };
  if (const auto* array = std::get_if<array_rule>(&container.what)) {
    const std::size_t needed = std::min<std::size_t>(array->min, array->prefix.size() + 1);
    for (std::size_t i = 0; i < needed; ++i) see(array->item(static_cast<std::uint32_t>(i)));
  } else if (const auto* object = std::get_if<object_rule>(&container.what)) {
    for (const object_rule::member& member : object->members) {
      if (member.required || object->min > object->num_required[0]) see(member.value);
    }
    for (const object_rule::group& group : object->others) {
      if (object->min > object->num_required[0]) see(group.value);
    }
  }
  return most == unbounded ? unbounded : most + 1;
}

}  // namespace

void find_heights(rule_set& rules) {
  for (container_rule& container : rules.containers) container.height = unbounded;
  for (bool changed = true; changed;) {
    changed = false;
    for (container_rule& container : rules.containers) {
      const std::uint32_t height = height_of(rules, container);
      changed = changed || height != container.height;
      container.height = height;
    }
  }
}

grammar_outcome<value_index> add_schema(language_pool& pool, rule_set& rules,
                                        const json_value& schema, const schema_options& options,
                                        compile_budget& budget,
                                        std::vector<grammar_note>& warnings) {
  if (const auto excess = find_excess(schema)) return *excess;
  rule_builder builder(pool, rules, schema, options, budget);
  const auto root = builder.build();
  if (!root) return root.error();
  const std::vector<grammar_note> notes = builder.warnings();
  warnings.insert(warnings.end(), notes.begin(), notes.end());
  find_heights(rules);
  const std::uint32_t height = height_of(rules, rules.values[*root]);
  if (height > rules.max_depth) {
    return refuse_grammar(error_code::too_large, "", "",
                          "every value that fits is nested deeper than " +
                              std::to_string(rules.max_depth) + " levels");
  }
  return root;
}

}  // namespace troupe::grammar
