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
  const std::string& pointer(const json_value& at) const;  // of any value in the document
  // The schema that `reference` names when it stands in `from`.
  outcome<const json_value*> find(const json_value& from, std::string_view reference) const;

 private:
  struct place {
    std::string pointer;
    std::uint32_t base = 0;  // into bases_
  };
  void visit(const json_value& at, std::string pointer, std::uint32_t base);
  std::uint32_t enter_id(const json_value& at, const json_value& id, std::uint32_t base);
  outcome<const json_value*> follow_pointer(const json_value& root,
                                            std::string_view fragment) const;

  schema_draft draft_ = schema_draft::draft_2020;
  bool asks_evaluated_ = false;
  std::vector<std::string> bases_;
  std::unordered_map<const json_value*, place> places_;
  std::map<std::string, const json_value*> resources_;                        // by absolute URI
  std::map<std::pair<std::string, std::string>, const json_value*> anchors_;  // by base and name
};

// RFC 3986, section 5: what `reference` means within `base`, both without a fragment.
std::string resolve_uri(std::string_view base, std::string_view reference);

}  // namespace troupe::grammar
