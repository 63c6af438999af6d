// A schema as a graph of nodes, each a place in the document, an intersection, or a set of values
// made on the way. A node is read when somebody asks what it allows, so recursion is no matter.
// The first thing that cannot be enforced is kept as the failure; everything after it is void. With
// `lenient` it becomes a warning instead, and its set is larger than the schema's, never smaller.
#pragma once
#include "core/bound_grammar.hpp"
#include "text/grammar/compile_budget.hpp"
#include "text/grammar/grammar.hpp"
#include "text/grammar/number_language.hpp"
#include "text/grammar/schema_index.hpp"
#include "text/grammar/value_set.hpp"
#include "text/json.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::grammar {

class schema_graph {
 public:
  schema_graph(language_pool& pool, const json_value& root, const schema_options& options,
               compile_budget& budget);

  schema_node root();
  const value_set& values(schema_node n);
  // Has it a finite instance?
  bool is_productive(schema_node n);
  bool is_productive(const value_set& set);
  bool is_productive(const array_shape& shape);
  bool is_productive(const object_shape& shape);
  // The pointer to what makes an unproductive node so.
  std::string blame(schema_node n);

  const std::optional<grammar_refusal>& why() const { return why_; }
  // What is not enforced, and what is no keyword; each place once, not too many.
  std::vector<grammar_note> warnings() const;
  std::string pointer(schema_node n) const;
  language_pool& pool() { return pool_; }
  // How many digits its numbers may have before the point, after it, and together; at least as many
  // as those that the schema names.
  std::uint32_t whole_digits() const { return whole_digits_; }
  std::uint32_t fraction_digits() const { return fraction_digits_; }
  std::uint32_t all_digits() const { return all_digits_; }
  language all_numbers() const { return all_numbers_; }
  language all_strings() const { return all_strings_; }

 private:
  enum class life : std::uint8_t { unknown, asked, productive, dead };
  struct node {
    const json_value* schema = nullptr;  // a place in the document,
    std::vector<schema_node> parts;      // or an intersection, or neither: `set` is given
    std::optional<value_set> set;
    bool is_open = false;  // being read
    life alive = life::unknown;
    const json_value* origin = nullptr;  // the schema that a message should name
  };
  struct reader;  // of one schema object: schema_reader.hpp

  void fail(std::string pointer, std::string keyword, std::string reason,
            error_code code = error_code::unsupported);
  // A failure, or leniently a warning; then the caller goes on with a set that is too large.
  void give_up(std::string pointer, std::string keyword, const std::string& reason);
  void warn(std::string pointer, std::string keyword, std::string reason);
  bool failed() const { return why_.has_value(); }
  bool can_afford(std::uint64_t steps);
  void hold(const value_set& set);
  schema_node at(const json_value& schema);
  schema_node fixed(value_set set, const json_value* origin = nullptr);
  schema_node both(schema_node a, schema_node b);
  value_set read(node& from);
  value_set everything() const;
  bool ask_productive(schema_node n, bool& is_provisional);
  bool any_productive(const value_set& set, bool& is_provisional);
  bool shape_productive(const array_shape& shape, bool& is_provisional);
  bool shape_productive(const object_shape& shape, bool& is_provisional);

  // The algebra: schema_algebra.cpp. `where` is named when it cannot be done.
  value_set intersect(const value_set& a, const value_set& b);
  value_set join(const value_set& a, const value_set& b);
  value_set subtract(const value_set& a, const value_set& b, const std::string& where);
  array_shape intersect(const array_shape& a, const array_shape& b);
  object_shape intersect(const object_shape& a, const object_shape& b);
  std::vector<object_shape::member> intersect_members(const object_shape& a, const object_shape& b);
  std::uint32_t longest_of(const array_shape& shape);
  std::vector<array_shape> subtract(const array_shape& a, const array_shape& b,
                                    const std::string& where);
  std::vector<object_shape> subtract(const object_shape& a, const object_shape& b,
                                     const std::string& where);
  schema_node value_of(const std::vector<object_shape::group>& others, const std::string& name);
  schema_node complement_of(schema_node n, const std::string& where);
  object_shape any_object() const;
  static array_shape any_array() { return {}; }
  template <class Shape>
  void check_count(const std::vector<Shape>& shapes);

  language_pool& pool_;
  number_languages numbers_;
  schema_index index_;
  const json_value& document_;
  schema_options options_;
  compile_budget& budget_;
  language all_numbers_, all_strings_;
  std::uint32_t whole_digits_ = 20, fraction_digits_ = 20, all_digits_ = 15;
  std::deque<node> nodes_;
  std::unordered_map<const json_value*, schema_node> by_schema_;
  std::map<std::vector<schema_node>, schema_node> by_parts_;
  std::map<schema_node, schema_node> complements_;
  std::optional<grammar_refusal> why_;
  std::map<std::pair<std::string, std::string>, std::string> warnings_;  // by pointer and keyword
  bool has_more_warnings_ = false;
  bool gave_up_ = false;                 // since the set in work was begun
  const json_value* read_ = nullptr;     // the schema in work
  std::uint32_t depth_ = 0, asked_ = 0;  // schemas being read, and asked for an instance
};

// Texts that a schema lists, and names: languages of them recurse as deep as they are long.
inline constexpr std::size_t max_literal_bytes = 8'192;
std::u32string decode_utf8(std::string_view text);

}  // namespace troupe::grammar
