#include "net/prompt_field.hpp"

#include <utility>

#include "net/sampling_fields.hpp"

namespace troupe {
namespace {

struct prompt_reader {
  body_fields& fields;
  std::string_view name;
  std::int64_t num_ids;
  std::vector<given_prompt> out;

  std::string place(std::size_t index, bool is_list) const {
    return is_list ? std::string(name) + "[" + std::to_string(index) + "]" : std::string(name);
  }
  void refuse(const std::string& where, const std::string& what) {
    fields.refuse(name, where + " " + what);
  }
  void add_text(const std::string& text, const std::string& where) {
    if (text.empty()) refuse(where, "is empty, expected at least one character");
    out.push_back({.text = text});
  }
  void add_ids(const json_array& items, const std::string& where) {
    given_prompt prompt;
    if (items.empty()) refuse(where, "is empty, expected at least one token id");
    for (auto& item : items) {
      auto* id = item.as_int();
      if (id == nullptr || *id < 0 || *id >= num_ids)
        return refuse(where, "must hold token ids from 0 to " + std::to_string(num_ids - 1));
      prompt.ids.push_back(static_cast<token_id>(*id));
    }
    out.push_back(std::move(prompt));
  }
  void add(const json_value& item, const std::string& where) {
    if (auto* text = item.as_string()) return add_text(*text, where);
    if (auto* ids = item.as_array()) return add_ids(*ids, where);
    refuse(where,
           "must be a string or a list of token ids, found " + std::string(item.type_name()));
  }
};

bool is_list_of_prompts(const json_array& items) {
  return !items.empty() && !items.front().is_number();
}

}  // namespace

std::vector<given_prompt> read_prompts(body_fields& fields, std::string_view name,
                                       const service& facts) {
  prompt_reader reader{fields, name, facts.vocab_size, {}};
  auto* value = fields.raw(name);
  if (value == nullptr) {
    fields.refuse(name, std::string(name) + " is missing, expected a string");
    return {};
  }
  auto* list = value->as_array();
  if (list == nullptr || !is_list_of_prompts(*list)) {
    reader.add(*value, reader.place(0, false));
  } else if (list->size() > max_answers) {
    reader.refuse(std::string(name), "must hold at most " + std::to_string(max_answers) +
                                         " prompts, found " + std::to_string(list->size()));
  } else {
    for (std::size_t i = 0; i < list->size() && fields.is_fine(); ++i)
      reader.add((*list)[i], reader.place(i, true));
  }
  return std::move(reader.out);
}

std::vector<token_id> encode(const given_prompt& prompt, const service& facts) {
  return prompt.ids.empty() ? facts.words->encode(prompt.text) : prompt.ids;
}

std::string text_of(const given_prompt& prompt, const service& facts) {
  return prompt.ids.empty() ? prompt.text : facts.words->decode(prompt.ids, false);
}

}  // namespace troupe
