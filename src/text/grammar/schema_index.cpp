#include "text/grammar/schema_index.hpp"

#include "text/grammar/char_class.hpp"

namespace troupe::grammar {
namespace {

schema_draft draft_of(const json_value& root) {
  const json_value* named = root.find("$schema");
  const std::string* uri = named == nullptr ? nullptr : named->as_string();
  if (uri == nullptr) return schema_draft::draft_2020;
  if (uri->find("draft-04") != std::string::npos) return schema_draft::draft_4;
  if (uri->find("draft-06") != std::string::npos) return schema_draft::draft_6;
  if (uri->find("draft-07") != std::string::npos) return schema_draft::draft_7;
  if (uri->find("2019-09") != std::string::npos) return schema_draft::draft_2019;
  return schema_draft::draft_2020;
}

std::string escaped(std::string_view key) {
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

std::string below(std::string pointer, std::string_view token) {
  pointer += '/';
  pointer += token;
  return pointer;
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

schema_index::schema_index(const json_value& root) : draft_(draft_of(root)) {
  bases_.emplace_back();
  resources_.emplace("", &root);
  visit(root, "", 0);
}

const std::string& schema_index::pointer(const json_value& at) const {
  static const std::string none;
  const auto found = places_.find(&at);
  return found == places_.end() ? none : found->second.pointer;
}

std::uint32_t schema_index::enter_id(const json_value& at, const json_value& id,
                                     std::uint32_t base) {
  const std::string* text = id.as_string();
  if (text == nullptr) return base;
  if (draft_ <= schema_draft::draft_7 && at.find("$ref") != nullptr) return base;
  const std::size_t hash = std::min(text->find('#'), text->size());
  const std::string uri = resolve_uri(bases_[base], text->substr(0, hash));
  if (hash > 0) {
    base = static_cast<std::uint32_t>(bases_.size());
    bases_.push_back(uri);
    resources_.emplace(uri, &at);
  }
  if (hash + 1 < text->size())
    anchors_.emplace(std::pair(bases_[base], text->substr(hash + 1)), &at);
  return base;
}

void schema_index::visit(const json_value& at, std::string pointer, std::uint32_t base) {
  if (const json_object* members = at.as_object()) {
    const json_value* id = at.find(draft_ == schema_draft::draft_4 ? "id" : "$id");
    if (id != nullptr) base = enter_id(at, *id, base);
    for (const char* name : {"$anchor", "$dynamicAnchor"}) {
      const json_value* anchor = at.find(name);
      if (anchor != nullptr && anchor->as_string() != nullptr) {
        anchors_.emplace(std::pair(bases_[base], *anchor->as_string()), &at);
      }
    }
    for (const auto& [key, value] : *members) {
      if (key.starts_with("unevaluated")) asks_evaluated_ = true;
      if (key == "enum" || key == "const") {
        places_[&value] = {below(pointer, key), base};
      } else {
        visit(value, below(pointer, escaped(key)), base);
      }
    }
  } else if (const json_array* items = at.as_array()) {
    for (std::size_t i = 0; i < items->size(); ++i) {
      visit((*items)[i], below(pointer, std::to_string(i)), base);
    }
  }
  places_[&at] = {std::move(pointer), base};
}

outcome<const json_value*> schema_index::follow_pointer(const json_value& root,
                                                        std::string_view fragment) const {
  const json_value* at = &root;
  while (!fragment.empty()) {
    const std::size_t end = std::min(fragment.find('/', 1), fragment.size());
    const std::string token = unescaped(percent_decoded(fragment.substr(1, end - 1)));
    fragment = fragment.substr(end);
    const json_value* next = at->find(token);
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
  const auto anchor = anchors_.find({uri, percent_decoded(fragment)});
  if (anchor == anchors_.end()) {
    return failure{error_code::invalid_argument, "names an anchor that does not exist", ""};
  }
  return anchor->second;
}

}  // namespace troupe::grammar
