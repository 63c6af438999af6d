// Where everything is in a schema document: JSON pointers, $id, $anchor, and what a $ref means.
#pragma once
#include "core/outcome.hpp"
#include "text/json.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::grammar {

enum class schema_draft : std::uint8_t { draft_4, draft_6, draft_7, draft_2019, draft_2020 };

class schema_index {
 public:
  explicit schema_index(const json_value& root);

  schema_draft draft() const { return draft_; }
  // Whether any schema asks what others have looked at (unevaluatedItems, unevaluatedProperties).
  bool asks_evaluated() const { return asks_evaluated_; }
  // Whether $schema names a draft that we know; when it is not there, it does.
  bool is_known_draft() const { return is_known_draft_; }
  // Empty, or what of the document's identifiers is beyond all measure.
  const std::string& excess() const { return excess_; }
  std::string pointer(const json_value& at) const;  // of any schema in the document
  // The schema that `reference` names when it stands in `from`.
  outcome<const json_value*> find(const json_value& from, std::string_view reference) const;

 private:
  // Pointers are spelled out when somebody asks: all of them together may be huge.
  struct place {
    const json_value* parent = nullptr;
    const std::string* key = nullptr;  // in a parent that is an object
    std::uint32_t position = 0;        // in a parent that is a list
    std::uint32_t base = 0;            // into bases_
  };
  using names = std::unordered_map<std::string_view, const json_value*>;
  void visit(const json_value& at, place here);
  std::uint32_t enter_id(const json_value& at, const json_value& id, std::uint32_t base);
  outcome<const json_value*> follow_pointer(const json_value& root,
                                            std::string_view fragment) const;
  const json_value* member(const json_value& of, const std::string& name) const;

  schema_draft draft_ = schema_draft::draft_2020;
  bool is_known_draft_ = true, asks_evaluated_ = false;
  std::string excess_;
  std::size_t base_bytes_ = 0;
  std::vector<std::string> bases_;
  std::unordered_map<const json_value*, place> places_;         // of objects, lists and booleans
  mutable std::unordered_map<const json_value*, names> large_;  // objects that references go into
  std::map<std::string, const json_value*> resources_;          // by absolute URI
  std::map<std::pair<std::uint32_t, std::string>, const json_value*> anchors_;  // by base, name
};

// A key or an index as a JSON pointer spells it, "~" and "/" escaped.
std::string pointer_token(std::string_view key);

// RFC 3986, section 5: what `reference` means within `base`, both without a fragment.
std::string resolve_uri(std::string_view base, std::string_view reference);

}  // namespace troupe::grammar
