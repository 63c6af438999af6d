// Reads the keywords of one schema object into the values that it allows.
#pragma once
#include "text/grammar/schema_graph.hpp"

namespace troupe::grammar {

struct schema_graph::reader {
  reader(schema_graph& graph, const json_value& schema)
      : graph_(graph),
        pool_(graph.pool_),
        schema_(schema),
        pointer_(graph.index_.pointer(schema)) {}

  value_set read();

 private:
  // What each group of keywords leaves of all values.
  value_set types();
  void check_keywords();
  void read_numbers(value_set& out);
  void read_multiple(value_set& out);
  void read_bound(value_set& out, const char* keyword, bool is_lower);
  void read_exclusive(value_set& out, const char* keyword, bool is_lower);
  void add_bound(value_set& out, const json_value& value, const char* keyword, bool is_lower,
                 bool exclusive);
  void read_strings(value_set& out);
  void read_arrays(value_set& out);
  void read_items(array_shape& shape);
  void read_objects(value_set& out);
  void read_groups(object_shape& shape);
  void read_members(object_shape& shape);
  void read_names(object_shape& shape);
  void read_dependents(value_set& out);
  void read_unevaluated(value_set& out);
  void bind_unevaluated(object_shape& shape, schema_node value);
  value_set overlaps(const json_array& branches);
  void read_contains(array_shape& shape);
  value_set constant(const json_value& value);
  value_set enumerated(const json_array& values);
  void read_reference(value_set& out);
  void read_combined(value_set& out);
  value_set one_of(const value_set& base, const json_array& branches);
  void read_condition(value_set& out);

  const json_value* find(const char* keyword) const { return schema_.find(keyword); }
  std::string where(std::string_view keyword) const;
  void fail(std::string_view keyword, std::string message,
            error_code code = error_code::unsupported);
  void invalid(std::string_view keyword, const std::string& expected);
  std::optional<decimal> number(const json_value& value, const char* keyword);
  bool count(const char* keyword, std::uint32_t& out);
  const json_array* schemas(const char* keyword);
  bool is_schema(const json_value& value, const std::string& keyword);
  std::vector<std::string> names(const json_value& list, const std::string& keyword);
  bool before(schema_draft draft) const { return graph_.index_.draft() < draft; }
  schema_node needs(const std::string& name, schema_node value, bool required);

  schema_graph& graph_;
  language_pool& pool_;
  const json_value& schema_;
  std::string pointer_;
};

}  // namespace troupe::grammar
