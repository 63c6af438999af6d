// simdjson finds the structure and unescapes strings; everything that it may leave unchecked
// (numbers, literals, duplicate keys, depth, trailing content) is checked here.
#include "text/json.hpp"
#include "text/json_number.hpp"
#include "text/utf8.hpp"

#include <simdjson.h>

#include <algorithm>
#include <functional>
#include <new>

namespace troupe {
namespace {

namespace ondemand = simdjson::ondemand;

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\r";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t max_bytes = 40;
  std::size_t end = std::min(text.size(), max_bytes);
  while (end < text.size() && end > 0 && is_utf8_continuation(text[end])) --end;
  std::string out(1, '"');
  out += text.substr(0, end);
  out += end < text.size() ? "...\"" : "\"";
  return out;
}

// Sorting by hash and then by key stays O(n log n) even when somebody provokes equal hashes.
const std::string* find_duplicate_key(const json_object& members) {
  std::vector<std::pair<std::size_t, const std::string*>> keys;
  keys.reserve(members.size());
  for (const auto& member : members) {
    keys.emplace_back(std::hash<std::string_view>{}(member.first), &member.first);
  }
  const auto before = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : *a.second < *b.second;
  };
  std::sort(keys.begin(), keys.end(), before);
  const auto equal = [](const auto& a, const auto& b) {
    return a.first == b.first && *a.second == *b.second;
  };
  const auto found = std::adjacent_find(keys.begin(), keys.end(), equal);
  return found == keys.end() ? nullptr : found->second;
}

// simdjson 3.0 takes no argument here, later ones ask whether to replace lone surrogates.
template <class Field>
auto unescape_key(Field& field) {
  if constexpr (requires { field.unescaped_key(false); }) {
    return field.unescaped_key(false);
  } else {
    return field.unescaped_key();
  }
}

class json_reader {
 public:
  json_reader(std::string_view text, json_limits limits) : text_(text), limits_(limits) {}

  outcome<json_value> read() {
    json_value value;
    if (!read_root(value)) return failure{error_code::invalid_argument, why_, ""};
    return value;
  }

 private:
  bool read_root(json_value& out) {
    const std::string_view token = trim(text_);
    if (token.empty()) return refuse("the JSON text is empty");
    if (token.starts_with("\xEF\xBB\xBF")) {
      return refuse("the JSON text begins with a byte order mark");
    }
    const auto bad_byte = find_ill_formed_utf8(text_);
    if (bad_byte != text_.size()) {
      return refuse("the JSON text is not valid UTF-8 at byte " + std::to_string(bad_byte));
    }
    const char first = token[0];
    if (first != '{' && first != '[' && first != '"') return read_token(token, out);
    // Its copy is made without a word when there is no memory.
    if (padded_.data() == nullptr && !text_.empty()) throw std::bad_alloc();
    if (const auto error = parser_.iterate(padded_).get(document_)) return refuse_at(error);
    if (first == '"') {
      std::string_view content;
      if (const auto error = document_.get_string().get(content)) return refuse_at(error);
      out = json_value(std::string(content));
    } else {
      ondemand::value value;
      if (const auto error = document_.get_value().get(value)) return refuse_at(error);
      if (!read_value(value, 1, out)) return false;
    }
    return at_end() || refuse("the JSON text goes on after its value" + place());
  }

  bool read_value(ondemand::value value, std::uint32_t depth, json_value& out) {
    if (++num_values_ > limits_.max_values) {
      return refuse("the JSON text holds more than " + std::to_string(limits_.max_values) +
                    " values");
    }
    ondemand::json_type type{};
    if (const auto error = value.type().get(type)) return refuse_at(error);
    if (type == ondemand::json_type::array) return read_array(value, depth, out);
    if (type == ondemand::json_type::object) return read_object(value, depth, out);
    if (type == ondemand::json_type::string) return read_string(value, out);
    return read_token(trim(value.raw_json_token()), out);
  }

  bool read_array(ondemand::value& value, std::uint32_t depth, json_value& out) {
    if (depth > limits_.max_depth) return refuse_depth();
    ondemand::array array;
    if (const auto error = value.get_array().get(array)) return refuse_at(error);
    json_array items;
    for (auto element : array) {
      ondemand::value item;
      if (const auto error = std::move(element).get(item)) return refuse_at(error);
      if (!read_value(item, depth + 1, items.emplace_back())) return false;
    }
    out = json_value(std::move(items));
    return true;
  }

  bool read_object(ondemand::value& value, std::uint32_t depth, json_value& out) {
    if (depth > limits_.max_depth) return refuse_depth();
    ondemand::object object;
    if (const auto error = value.get_object().get(object)) return refuse_at(error);
    json_object members;
    for (auto element : object) {
      ondemand::field field;
      if (const auto error = std::move(element).get(field)) return refuse_at(error);
      std::string_view key;
      if (const auto error = unescape_key(field).get(key)) return refuse_at(error);
      members.emplace_back(std::string(key), json_value());
      if (!read_value(field.value(), depth + 1, members.back().second)) return false;
    }
    if (const std::string* key = find_duplicate_key(members)) {
      return refuse("the key " + in_quotes(*key) + " stands twice in one object");
    }
    out = json_value(std::move(members));
    return true;
  }

  bool read_string(ondemand::value& value, json_value& out) {
    std::string_view content;
    if (const auto error = value.get_string().get(content)) return refuse_at(error);
    out = json_value(std::string(content));
    return true;
  }

  // Everything that is neither a string nor a container.
  bool read_token(std::string_view token, json_value& out) {
    if (token == "null") {
      out = json_value();
    } else if (token == "true") {
      out = json_value(true);
    } else if (token == "false") {
      out = json_value(false);
    } else {
      const number_defect defect = parse_json_number(token, out);
      if (defect == number_defect::overflow) {
        return refuse("the number " + in_quotes(token) + " is too large");
      }
      if (defect == number_defect::malformed) {
        return refuse("the JSON text is malformed: " + in_quotes(token) + " is no value" +
                      byte_of(token));
      }
    }
    return true;
  }

  bool at_end() { return document_.current_location().error() == simdjson::OUT_OF_BOUNDS; }

  // " at byte N", or nothing when the token is not in the text that simdjson reads.
  std::string byte_of(std::string_view token) const {
    const char* const begin = token.data();
    if (std::less<>{}(begin, padded_.data())) return {};
    const auto offset = static_cast<std::size_t>(begin - padded_.data());
    return offset < padded_.size() ? " at byte " + std::to_string(offset) : std::string();
  }

  // Where simdjson stopped, as precisely as it knows.
  std::string place() {
    const char* where = nullptr;
    if (document_.current_location().get(where) != simdjson::SUCCESS) return " at its end";
    const auto offset = static_cast<std::size_t>(where - padded_.data());
    return offset < padded_.size() ? " at byte " + std::to_string(offset) : " at its end";
  }

  bool refuse(std::string why) {
    why_ = std::move(why);
    return false;
  }

  bool refuse_depth() {
    return refuse("the JSON text is nested deeper than " + std::to_string(limits_.max_depth) +
                  " levels" + place());
  }

  bool refuse_at(simdjson::error_code error) {
    switch (error) {
      case simdjson::UNCLOSED_STRING: return refuse("the JSON text ends inside a string");
      case simdjson::UNESCAPED_CHARS:
        return refuse("a string of the JSON text holds an unescaped control character");
      case simdjson::STRING_ERROR:
        return refuse("a string of the JSON text holds an invalid escape near" + place().substr(3));
      case simdjson::CAPACITY: return refuse("the JSON text is larger than 4 GiB");
      case simdjson::MEMALLOC: throw std::bad_alloc();
      default: return refuse("the JSON text is malformed near" + place().substr(3));
    }
  }

  std::string_view text_;
  json_limits limits_;
  simdjson::padded_string padded_{text_};
  ondemand::parser parser_;
  ondemand::document document_;
  std::uint32_t num_values_ = 0;
  std::string why_;
};

}  // namespace

outcome<json_value> parse_json(std::string_view text, json_limits limits) {
  return json_reader(text, limits).read();
}

}  // namespace troupe
