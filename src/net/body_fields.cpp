#include "net/body_fields.hpp"

#include <algorithm>
#include <charconv>

#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_shown_bytes = 40;

std::string show(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string show(const json_value& value) {
  if (!value.is_number() && value.as_bool() == nullptr) return std::string(value.type_name());
  std::string text;
  append_json(text, value);
  return text;
}

// A field's name as a client wrote it may be as long as the body.
std::string show_name(std::string_view name) {
  std::string text;
  append_json_string(text, utf8_head(name, max_shown_bytes));
  return text;
}

std::string to_text(number_range range) {
  if (range.excludes_lowest)
    return "a number above " + show(range.lowest) + " and up to " + show(range.highest);
  return "a number from " + show(range.lowest) + " to " + show(range.highest);
}

std::string to_text(integer_range range) {
  if (range.highest == std::numeric_limits<std::int64_t>::max())
    return "an integer from " + std::to_string(range.lowest);
  return "an integer from " + std::to_string(range.lowest) + " to " + std::to_string(range.highest);
}

bool holds(number_range range, double value) {
  bool is_above = range.excludes_lowest ? value > range.lowest : value >= range.lowest;
  return is_above && value <= range.highest;
}

// Also as the float that it becomes: 1e-60 is above 0 and would be 0.
bool contains(number_range range, double value) {
  return holds(range, value) && holds(range, static_cast<float>(value));
}

bool contains(integer_range range, std::int64_t value) {
  return value >= range.lowest && value <= range.highest;
}

}  // namespace

body_fields::body_fields(const json_value& body, std::string path)
    : path_(std::move(path)), members_(body.as_object()) {
  if (members_ == nullptr)
    wrong_ = failure{.message = (path_.empty() ? "the body" : path_) +
                                " must be an object, found " + std::string(body.type_name()),
                     .field = path_};
  else
    was_read_.resize(members_->size());
}

std::string body_fields::place(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

bool body_fields::has(std::string_view name) const {
  if (members_ == nullptr) return false;
  return std::ranges::any_of(
      *members_, [&](auto& member) { return member.first == name && !member.second.is_null(); });
}

const json_value* body_fields::raw(std::string_view name) {
  if (!is_fine()) return nullptr;
  for (std::size_t i = 0; i < members_->size(); ++i) {
    auto& [key, value] = (*members_)[i];
    if (key != name) continue;
    was_read_[i] = true;
    return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

void body_fields::refuse(std::string_view name, std::string message, error_code code) {
  refuse({.code = code, .message = std::move(message), .field = place(name)});
}

void body_fields::refuse(failure why) {
  if (is_fine()) wrong_ = std::move(why);
}

void body_fields::expected(std::string_view name, std::string_view what, const json_value& found) {
  auto message = place(name);
  message.append(" must be ").append(what).append(", found ").append(show(found));
  refuse(name, std::move(message));
}

std::optional<std::string> body_fields::text(std::string_view name) {
  auto* value = raw(name);
  if (value == nullptr) return std::nullopt;
  if (auto* found = value->as_string()) return *found;
  expected(name, "a string", *value);
  return std::nullopt;
}

bool body_fields::flag(std::string_view name, bool absent) {
  auto* value = raw(name);
  if (value == nullptr) return absent;
  if (auto* found = value->as_bool()) return *found;
  expected(name, "a boolean", *value);
  return absent;
}

double body_fields::number(std::string_view name, double absent, number_range range) {
  auto* value = raw(name);
  if (value == nullptr) return absent;
  double found = 0;
  if (value->get_number(found) && contains(range, found)) return found;
  expected(name, to_text(range), *value);
  return absent;
}

std::int64_t body_fields::integer(std::string_view name, std::int64_t absent, integer_range range) {
  auto* value = raw(name);
  if (value == nullptr) return absent;
  if (auto* found = value->as_int(); found != nullptr && contains(range, *found)) return *found;
  expected(name, to_text(range), *value);
  return absent;
}

std::vector<std::string> body_fields::texts(std::string_view name, std::size_t max_texts,
                                            std::size_t max_bytes) {
  auto* value = raw(name);
  if (value == nullptr) return {};
  auto what = "a string or a list of at most " + std::to_string(max_texts) +
              " strings, each of 1 to " + std::to_string(max_bytes) + " bytes";
  std::vector<std::string> out;
  auto add = [&](const json_value& item) {
    auto* found = item.as_string();
    bool fits = found != nullptr && !found->empty() && found->size() <= max_bytes;
    if (fits) out.push_back(*found);
    return fits;
  };
  if (auto* list = value->as_array()) {
    if (list->size() > max_texts)
      refuse(name, place(name) + " must be " + what + ", found " + std::to_string(list->size()) +
                       " strings");
    for (auto& item : *list)
      if (is_fine() && !add(item)) expected(name, what, item);
  } else if (!add(*value)) {
    expected(name, what, *value);
  }
  return out;
}

std::vector<std::int64_t> body_fields::integers(std::string_view name, std::size_t max_integers,
                                                integer_range range) {
  auto* value = raw(name);
  if (value == nullptr) return {};
  auto what =
      "a list of at most " + std::to_string(max_integers) + " integers, each " + to_text(range);
  auto* list = value->as_array();
  if (list == nullptr || list->size() > max_integers) {
    expected(name, what, *value);
    return {};
  }
  std::vector<std::int64_t> out;
  for (auto& item : *list) {
    auto* found = item.as_int();
    if (found != nullptr && contains(range, *found))
      out.push_back(*found);
    else
      expected(name, what, item);
  }
  return out;
}

refusal body_fields::finish() {
  for (std::size_t i = 0; is_fine() && i < was_read_.size(); ++i)
    if (auto& name = (*members_)[i].first; !was_read_[i])
      refuse(utf8_head(name, max_shown_bytes),
             "there is no field " + show_name(name) + (path_.empty() ? "" : " in " + path_));
  if (wrong_) return *wrong_;
  return nothing{};
}

}  // namespace troupe
