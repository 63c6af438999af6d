#include "text/grammar/json_rules.hpp"

#include "text/grammar/number_language.hpp"

namespace troupe::grammar {

language quoted(language_pool& pool, language content) {
  const language quote = pool.one(outside('"'));
  return pool.concat({quote, content, quote});
}

language any_scalar(language_pool& pool) {
  return pool.any_of({pool.bytes_outside("null"), pool.bytes_outside("true"),
                      pool.bytes_outside("false"), number_languages(pool).any(),
                      quoted(pool, pool.text())});
}

object_rule any_object(language_pool& pool, value_index values) {
  object_rule out;
  out.others.push_back({pool.text(), values});
  out.num_required = {0};
  out.num_names = unbounded;
  return out;
}

value_index add_any_value(language_pool& pool, rule_set& rules) {
  const auto any = static_cast<value_index>(rules.values.size());
  const auto containers = static_cast<container_index>(rules.containers.size());
  value_rule value;
  value.scalars = pool.concat(any_scalar(pool), pool.tag(label::value));
  value.containers = {containers, containers + 1};
  rules.values.push_back(std::move(value));
  array_rule array;
  array.rest = any;
  rules.containers.push_back({array, 1});
  rules.containers.push_back({any_object(pool, any), 1});
  return any;
}

}  // namespace troupe::grammar
