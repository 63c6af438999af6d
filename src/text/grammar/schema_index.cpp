#include "text/grammar/schema_index.hpp"

#include "text/grammar/char_class.hpp"

#include <array>
#include <optional>

namespace troupe::grammar {
namespace {

constexpr std::size_t max_uri_bytes = 8'192, max_base_bytes = 4U << 20U;

std::optional<schema_draft> draft_of(const json_value& root) {
  const json_value* named = root.find("$schema");
  const std::string* uri = named == nullptr ? nullptr : named->as_string();
  if (uri == nullptr) return schema_draft::draft_2020;
  constexpr std::array<std::pair<std::string_view, schema_draft>, 5> drafts{
      {{"/draft-04/", schema_draft::draft_4},
       {"/draft-06/", schema_draft::draft_6},
       {"/draft-07/", schema_draft::draft_7},
       {"/draft/2019-09/", schema_draft::draft_2019},
       {"/draft/2020-12/", schema_draft::draft_2020}}};
  for (const auto& [part, draft] : drafts) {
    if (uri->find(part) != std::string::npos) return draft;
  }
  return std::nullopt;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string unescaped(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool known = token[i] == '~' && i + 1 < token.size();
    if (known && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

std::size_t scheme_end(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  const std::size_t stop = uri.find_first_of("/?#");
  return colon != std::string_view::npos && colon > 0 && colon < stop ? colon + 1 : 0;
}

std::string without_dots(std::string_view path) {
  std::vector<std::string> parts;
  bool ends_open = false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part(path.substr(begin, end - begin));
    ends_open = part == "." || part == "..";
    if (part == ".." && parts.size() > 1) parts.pop_back();
    if (!ends_open) parts.push_back(part);
    begin = end + 1;
  }
  if (ends_open) parts.emplace_back();
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += '/';
    out += parts[i];
  }
  return out;
}

}  // namespace

std::string pointer_token(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string resolve_uri(std::string_view base, std::string_view reference) {
  if (reference.empty()) return std::string(base);
  if (scheme_end(reference) > 0 || base.empty()) return std::string(reference);
  const std::size_t scheme = scheme_end(base);
  std::string head(base.substr(0, scheme));
  if (reference.starts_with("//")) return head + std::string(reference);
  std::string_view rest = base.substr(scheme);
  if (rest.starts_with("//")) {
    const std::size_t slash = std::min(rest.find('/', 2), rest.size());
    head += rest.substr(0, slash);
    rest = rest.substr(slash);
  }
  if (reference.starts_with('/')) return head + without_dots(reference);
  const std::size_t last = rest.rfind('/');
  std::string path(last == std::string_view::npos ? "" : rest.substr(0, last + 1));
  if (path.empty() && head.find("//") != std::string::npos) path += '/';
  return head + without_dots(path + std::string(reference));
}

schema_index::schema_index(const json_value& root) {
  const auto draft = draft_of(root);
  is_known_draft_ = draft.has_value();
  draft_ = draft.value_or(schema_draft::draft_2020);
  bases_.emplace_back();
  resources_.emplace("", &root);
  visit(root, {});
}

std::string schema_index::pointer(const json_value& at) const {
  std::vector<std::string> tokens;
  for (auto found = places_.find(&at); found != places_.end();) {
    const place& here = found->second;
    if (here.parent == nullptr) break;
    tokens.push_back(here.key == nullptr ? std::to_string(here.position)
                                         : pointer_token(*here.key));
    found = places_.find(here.parent);
  }
  std::string out;
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) out += "/" + *token;
  return out;
}

std::uint32_t schema_index::enter_id(const json_value& at, const json_value& id,
                                     std::uint32_t base) {
  const std::string* text = id.as_string();
  if (text == nullptr) return base;
  if (draft_ <= schema_draft::draft_7 && at.find("$ref") != nullptr) return base;
  const std::size_t hash = std::min(text->find('#'), text->size());
  std::string uri = resolve_uri(bases_[base], text->substr(0, hash));
  base_bytes_ += uri.size();
  if (uri.size() > max_uri_bytes) excess_ = "an $id becomes longer than 8,192 bytes";
  if (base_bytes_ > max_base_bytes) excess_ = "all $id together become larger than 4 MiB";
  if (!excess_.empty()) return base;
  if (hash > 0) {
    base = static_cast<std::uint32_t>(bases_.size());
    bases_.push_back(uri);
    resources_.emplace(uri, &at);
  }
  if (hash + 1 < text->size()) anchors_.emplace(std::pair(base, text->substr(hash + 1)), &at);
  return base;
}

void schema_index::visit(const json_value& at, place here) {
  if (const json_object* members = at.as_object()) {
    const json_value* id = at.find(draft_ == schema_draft::draft_4 ? "id" : "$id");
    if (id != nullptr) here.base = enter_id(at, *id, here.base);
    for (const char* name : {"$anchor", "$dynamicAnchor"}) {
      const json_value* anchor = at.find(name);
      if (anchor == nullptr || anchor->as_string() == nullptr) continue;
      anchors_.emplace(std::pair(here.base, *anchor->as_string()), &at);
    }
    for (const auto& [key, value] : *members) {
      if (key.starts_with("unevaluated")) asks_evaluated_ = true;
      if (key != "enum" && key != "const") visit(value, {&at, &key, 0, here.base});
    }
  } else if (const json_array* items = at.as_array()) {
    for (std::size_t i = 0; i < items->size(); ++i) {
      visit((*items)[i], {&at, nullptr, static_cast<std::uint32_t>(i), here.base});
    }
  } else if (at.as_bool() == nullptr) {
    return;
  }
  places_.emplace(&at, here);
}

const json_value* schema_index::member(const json_value& of, const std::string& name) const {
  constexpr std::size_t few = 16;
  const json_object* members = of.as_object();
  if (members == nullptr || members->size() <= few) return of.find(name);
  const auto [known, fresh] = large_.try_emplace(&of);
  if (fresh) {
    for (const auto& [key, value] : *members) known->second.emplace(key, &value);
  }
  const auto found = known->second.find(name);
  return found == known->second.end() ? nullptr : found->second;
}

outcome<const json_value*> schema_index::follow_pointer(const json_value& root,
                                                        std::string_view fragment) const {
  const json_value* at = &root;
  while (!fragment.empty()) {
    const std::size_t end = std::min(fragment.find('/', 1), fragment.size());
    const std::string token = unescaped(percent_decoded(fragment.substr(1, end - 1)));
    fragment = fragment.substr(end);
    const json_value* next = member(*at, token);
    if (const json_array* items = at->as_array()) {
      std::size_t i = 0;
      bool is_number = !token.empty() && token.size() < 9;
      for (const char c : token) {
        is_number = is_number && c >= '0' && c <= '9';
        i = i * 10 + static_cast<std::size_t>(c - '0');
      }
      next = is_number && i < items->size() ? &(*items)[i] : nullptr;
    }
    if (next == nullptr) return failure{error_code::invalid_argument, "points nowhere", ""};
    at = next;
  }
  return at;
}

outcome<const json_value*> schema_index::find(const json_value& from,
                                              std::string_view reference) const {
  const auto known = places_.find(&from);
  const std::string& base = bases_[known == places_.end() ? 0 : known->second.base];
  const std::size_t hash = std::min(reference.find('#'), reference.size());
  const std::string uri = resolve_uri(base, reference.substr(0, hash));
  const auto resource = resources_.find(uri);
  if (resource == resources_.end()) {
    return failure{error_code::unsupported,
                   "names another document (" + uri + "), which is never fetched", ""};
  }
  const std::string_view fragment = hash < reference.size() ? reference.substr(hash + 1) : "";
  if (fragment.empty()) return resource->second;
  if (fragment.starts_with('/')) return follow_pointer(*resource->second, fragment);
  const auto owner = places_.find(resource->second);
  const std::uint32_t within = owner == places_.end() ? 0 : owner->second.base;
  const auto anchor = anchors_.find({within, percent_decoded(fragment)});
  if (anchor == anchors_.end()) {
    return failure{error_code::invalid_argument, "names an anchor that does not exist", ""};
  }
  return anchor->second;
}

}  // namespace troupe::grammar
