#include "text/grammar/schema_keywords.hpp"

#include <algorithm>
#include <array>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_bytes = 1U << 20U;
constexpr std::size_t max_containers = 100'000;
constexpr std::size_t max_depth = 512;

struct keyword {
  std::string_view name;
  keyword_kind kind = keyword_kind::assertion;
  schema_draft since = schema_draft::draft_4;
};

constexpr auto annotation = keyword_kind::annotation;
constexpr auto assertion = keyword_kind::assertion;

// Sorted by name. What a later draft renamed is still read where it cannot be mistaken.
constexpr std::array keywords{
    keyword{"$anchor", annotation, schema_draft::draft_2019},
    keyword{"$comment", annotation},
    keyword{"$defs", annotation},
    keyword{"$dynamicAnchor", annotation, schema_draft::draft_2020},
    keyword{"$dynamicRef", assertion, schema_draft::draft_2020},
    keyword{"$id", annotation},
    keyword{"$recursiveAnchor", annotation, schema_draft::draft_2019},
    keyword{"$recursiveRef", assertion, schema_draft::draft_2019},
    keyword{"$ref"},
    keyword{"$schema", annotation},
    keyword{"$vocabulary", assertion, schema_draft::draft_2019},
    keyword{"additionalItems"},
    keyword{"additionalProperties"},
    keyword{"allOf"},
    keyword{"anyOf"},
    keyword{"const"},
    keyword{"contains", assertion, schema_draft::draft_6},
    keyword{"contentEncoding", annotation},
    keyword{"contentMediaType", annotation},
    keyword{"contentSchema", annotation},
    keyword{"default", annotation},
    keyword{"definitions", annotation},
    keyword{"dependencies"},
    keyword{"dependentRequired", assertion, schema_draft::draft_2019},
    keyword{"dependentSchemas", assertion, schema_draft::draft_2019},
    keyword{"deprecated", annotation},
    keyword{"description", annotation},
    keyword{"else", assertion, schema_draft::draft_7},
    keyword{"enum"},
    keyword{"examples", annotation},
    keyword{"exclusiveMaximum"},
    keyword{"exclusiveMinimum"},
    keyword{"format"},
    keyword{"id", annotation},
    keyword{"if", assertion, schema_draft::draft_7},
    keyword{"items"},
    keyword{"maxContains", assertion, schema_draft::draft_2019},
    keyword{"maxItems"},
    keyword{"maxLength"},
    keyword{"maxProperties"},
    keyword{"maximum"},
    keyword{"minContains", assertion, schema_draft::draft_2019},
    keyword{"minItems"},
    keyword{"minLength"},
    keyword{"minProperties"},
    keyword{"minimum"},
    keyword{"multipleOf"},
    keyword{"not"},
    keyword{"oneOf"},
    keyword{"pattern"},
    keyword{"patternProperties"},
    keyword{"prefixItems", assertion, schema_draft::draft_2020},
    keyword{"properties"},
    keyword{"propertyNames", assertion, schema_draft::draft_6},
    keyword{"readOnly", annotation},
    keyword{"required"},
    keyword{"then", assertion, schema_draft::draft_7},
    keyword{"title", annotation},
    keyword{"type"},
    keyword{"unevaluatedItems", assertion, schema_draft::draft_2019},
    keyword{"unevaluatedProperties", assertion, schema_draft::draft_2019},
    keyword{"uniqueItems"},
    keyword{"writeOnly", annotation},
};

// Walks a whole document, the values of annotations, too.
class measure {
 public:
  bool fits(const json_value& here, std::size_t depth) {
    num_bytes_ += 2;
    if (const std::string* text = here.as_string()) num_bytes_ += text->size();
    const json_array* items = here.as_array();
    const json_object* members = here.as_object();
    if (items != nullptr || members != nullptr) ++num_containers_;
    if (num_bytes_ > max_bytes) return exceed("larger than 1 MiB");
    if (num_containers_ > max_containers) return exceed("of more than 100,000 objects and lists");
    if (depth > max_depth) return exceed("nested deeper than 512 levels");
    if (items != nullptr) {
      const auto fit = [&](const json_value& item) { return fits(item, depth + 1); };
      return std::all_of(items->begin(), items->end(), fit);
    }
    if (members == nullptr) return true;
    return std::all_of(members->begin(), members->end(), [&](const json_member& member) {
      num_bytes_ += member.first.size() + 3;
      return fits(member.second, depth + 1);
    });
  }
  const std::string& why() const { return why_; }

 private:
  bool exceed(std::string_view what) {
    why_ = "the schema is " + std::string(what);
    return false;
  }

  std::size_t num_bytes_ = 0, num_containers_ = 0;
  std::string why_;
};

}  // namespace

keyword_kind kind_of(std::string_view name, schema_draft draft) {
  const auto found =
      std::lower_bound(keywords.begin(), keywords.end(), name,
                       [](const keyword& known, std::string_view n) { return known.name < n; });
  if (found == keywords.end() || found->name != name) return keyword_kind::unknown;
  return draft < found->since ? keyword_kind::unknown : found->kind;
}

std::optional<grammar_refusal> find_excess(const json_value& schema) {
  measure size;
  if (size.fits(schema, 1)) return std::nullopt;
  return refuse_grammar(error_code::too_large, "", "", size.why());
}

}  // namespace troupe::grammar
