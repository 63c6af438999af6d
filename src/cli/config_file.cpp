#include "cli/config_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "text/file.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t max_config_bytes = 1U << 20;

std::string with_dashes(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

// The shortest text that reads back as the same number.
std::string number_text(double value) {
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::optional<std::string> scalar_text(const toml::node& node) {
  if (auto* text = node.as_string()) return text->get();
  if (auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (auto* real = node.as_floating_point()) return number_text(real->get());
  if (auto* yes = node.as_boolean()) return yes->get() ? "true" : "false";
  return std::nullopt;
}

// Walks the tables of one file.
class config_reader {
 public:
  explicit config_reader(std::string name) : name_(std::move(name)) {}

  refusal read(const toml::table& table, const std::string& table_name) {
    for (auto&& [key, node] : table) {
      auto* inner = node.as_table();
      auto done = inner == nullptr     ? add(with_dashes(key.str()), node, table_name)
                  : table_name.empty() ? read(*inner, with_dashes(key.str()))
                                       : wrong(node, std::string(key.str()), "a table in a table");
      if (!done) return done;
    }
    return nothing{};
  }

  std::vector<setting> settings() && {
    std::stable_sort(found_.begin(), found_.end(),
                     [](auto& a, auto& b) { return a.first < b.first; });
    std::vector<setting> out;
    for (auto& [line, one] : found_) out.push_back(std::move(one));
    return out;
  }

 private:
  std::string place(const toml::node& node) const {
    return name_ + ":" + std::to_string(node.source().begin.line);
  }

  failure wrong(const toml::node& node, const std::string& key, const std::string& found) const {
    auto at = place(node) + ": " + key;
    auto why = ": expected a string, a number, a boolean or an array of them, found " + found;
    return failure{error_code::invalid_argument, at + why, ""};
  }

  refusal add(const std::string& key, const toml::node& node, const std::string& table_name) {
    setting one{.key = key, .table = table_name, .origin = place(node)};
    if (auto* items = node.as_array()) {
      one.is_array = true;
      for (auto&& item : *items) {
        auto text = scalar_text(item);
        if (!text) return wrong(item, key, "an array of something else");
        one.values.push_back(*std::move(text));
      }
    } else {
      auto text = scalar_text(node);
      if (!text) return wrong(node, key, "a date or time");
      one.values.push_back(*std::move(text));
    }
    found_.emplace_back(node.source().begin.line, std::move(one));
    return nothing{};
  }

  std::string name_;
  std::vector<std::pair<std::uint32_t, setting>> found_;
};

}  // namespace

outcome<std::vector<setting>> parse_config(std::string_view text, const std::string& name) {
  try {
    auto table = toml::parse(text);
    config_reader reader(name);
    if (auto done = reader.read(table, ""); !done) return done.error();
    return std::move(reader).settings();
  } catch (const toml::parse_error& error) {
    std::string why = name + ":" + std::to_string(error.source().begin.line) + ": ";
    return failure{error_code::invalid_argument, why.append(error.description()), ""};
  }
}

outcome<std::vector<setting>> read_config_file(const std::filesystem::path& path) {
  auto text = read_file(path, max_config_bytes);
  if (!text) return text.error();
  return parse_config(*text, path.string());
}

std::string toml_value(const std::string& text) {
  if (text == "true" || text == "false") return text;
  std::int64_t whole = 0;
  double real = 0;
  const char* end = text.data() + text.size();
  if (auto read = std::from_chars(text.data(), end, whole);
      read.ec == std::errc{} && read.ptr == end && std::to_string(whole) == text)
    return text;
  bool has_point = text.find('.') != std::string::npos && text.find('e') == std::string::npos;
  if (auto read = std::from_chars(text.data(), end, real);
      has_point && read.ec == std::errc{} && read.ptr == end && number_text(real) == text)
    return text;
  std::ostringstream quoted;
  quoted << toml::toml_formatter(toml::value<std::string>(text),
                                 toml::toml_formatter::default_flags &
                                     ~toml::format_flags::allow_literal_strings &
                                     ~toml::format_flags::allow_multi_line_strings);
  return quoted.str();
}

}  // namespace troupe
