// Reads the keywords of one schema object into the values that it allows.
#pragma once
#include "text/grammar/schema_graph.hpp"

namespace troupe::grammar {

struct schema_graph::reader {
  reader(schema_graph& graph, const json_value& schema)
      : graph_(graph), pool_(graph.pool_), schema_(schema) {}

  value_set read();

 private:
  // What each group of keywords leaves of all values.
  value_set types();
  void check_keywords();
  void warn_of_siblings();
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
  void read_in_place(value_set& out);
  void meet(value_set& out, const value_set& with, bool is_early);
  void read_reference(value_set& out, bool is_early);
  void read_all(value_set& out, bool is_early);
  void read_any(value_set& out, bool is_early);
  void read_one(value_set& out);
  void read_not(value_set& out);
  void read_condition(value_set& out);

  const json_value* find(const char* keyword) const { return schema_.find(keyword); }
  std::string where(std::string_view keyword) const;
  void fail(std::string_view keyword, std::string message,
            error_code code = error_code::unsupported);
  void give_up(std::string_view keyword, const std::string& message);
  // `give_up` when that is all that is wrong.
  void give_up(std::string_view keyword, const failure& why);
  void warn(std::string_view keyword, std::string message);
  void invalid(std::string_view keyword, const std::string& expected);
  std::optional<decimal> number(const json_value& value, const char* keyword);
  bool count(const char* keyword, std::uint32_t& out);
  const json_array* schemas(const char* keyword);
  bool is_schema(const json_value& value, const std::string& keyword);
  bool is_short(std::string_view text, std::string_view keyword);
  std::vector<std::string> names(const json_value& list, const std::string& keyword);
  bool before(schema_draft draft) const { return graph_.index_.draft() < draft; }
  schema_node needs(const std::string& name, schema_node value, bool required);

  schema_graph& graph_;
  language_pool& pool_;
  const json_value& schema_;
};

}  // namespace troupe::grammar
