#include "text/tokenizer_file.hpp"

#include "text/byte_level.hpp"
#include "text/json.hpp"
#include "text/pre_tokenizer.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

constexpr token_id max_token_id = (1 << 24) - 1;  // no vocabulary comes near; bounds the tables

failure unsupported(std::string what) {
  return {error_code::unsupported, "tokenizer.json: " + std::move(what), "tokenizer.json"};
}

failure malformed(std::string what) {
  return {error_code::invalid_argument, "tokenizer.json: " + std::move(what), "tokenizer.json"};
}

std::string_view text_of(const json_value* value) {
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

bool is_absent(const json_value* value) { return value == nullptr || value->is_null(); }

bool is_true(const json_value& object, std::string_view key) {
  const json_value* value = object.find(key);
  return value != nullptr && value->as_bool() != nullptr && *value->as_bool();
}

std::string as_json(const json_value* value) {
  constexpr std::size_t max_bytes = 120;
  std::string text;
  append_json(text, value == nullptr ? json_value() : *value);
  if (text.size() > max_bytes) text = "a long value";
  return text;
}

refusal check_pre_tokenizer(const json_value& file) {
  const json_value* whole = file.find("pre_tokenizer");
  const json_value* list = whole == nullptr ? nullptr : whole->find("pretokenizers");
  const json_array* steps = list == nullptr ? nullptr : list->as_array();
  const bool is_sequence = whole != nullptr && text_of(whole->find("type")) == "Sequence";
  if (!is_sequence || steps == nullptr || steps->size() != 2) {
    return unsupported("the pre_tokenizer must be a Sequence of Split and ByteLevel");
  }
  const json_value& split = (*steps)[0];
  const json_value& bytes = (*steps)[1];
  if (text_of(split.find("type")) != "Split" || text_of(split.find("behavior")) != "Isolated" ||
      is_true(split, "invert")) {
    return unsupported("the first pre_tokenizer must be a Split with behavior Isolated");
  }
  const json_value* pattern = split.find("pattern");
  if (pattern == nullptr || text_of(pattern->find("Regex")) != pre_tokenizer_pattern) {
    return unsupported("the Split pattern " + as_json(pattern) + " is not Qwen2's");
  }
  if (text_of(bytes.find("type")) != "ByteLevel" || is_true(bytes, "add_prefix_space") ||
      is_true(bytes, "use_regex")) {
    return unsupported(
        "the second pre_tokenizer must be ByteLevel without add_prefix_space and use_regex");
  }
  return nothing{};
}

refusal check_model(const json_value& model) {
  const std::string_view type = text_of(model.find("type"));
  if (type != "BPE") return unsupported("the model type is \"" + std::string(type) + "\", not BPE");
  for (const char* flag : {"byte_fallback", "ignore_merges", "fuse_unk"}) {
    if (is_true(model, flag)) return unsupported(std::string("the model sets ") + flag);
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix", "unk_token"}) {
    const json_value* value = model.find(affix);
    if (!is_absent(value) && (value->as_string() == nullptr || !value->as_string()->empty())) {
      return unsupported(std::string("the model sets ") + affix + " to " + as_json(value));
    }
  }
  double dropout = 0;
  const json_value* value = model.find("dropout");
  if (!is_absent(value) && !(value->get_number(dropout) && dropout == 0)) {
    return unsupported("the model sets dropout to " + as_json(value));
  }
  return nothing{};
}

// Everything outside the vocabulary: what the text goes through before and after the model.
refusal check_stages(const json_value& file) {
  const json_value* normalizer = file.find("normalizer");
  if (!is_absent(normalizer) && text_of(normalizer->find("type")) != "NFC") {
    return unsupported("the normalizer " + as_json(normalizer) + " is not NFC");
  }
  if (auto checked = check_pre_tokenizer(file); !checked) return checked;
  const json_value* decoder = file.find("decoder");
  if (decoder == nullptr || text_of(decoder->find("type")) != "ByteLevel") {
    return unsupported("the decoder " + as_json(decoder) + " is not ByteLevel");
  }
  const json_value* processor = file.find("post_processor");
  if (!is_absent(processor) && text_of(processor->find("type")) != "ByteLevel") {
    return unsupported("the post_processor " + as_json(processor) + " is not ByteLevel");
  }
  return nothing{};
}

outcome<added_token> read_added_token(const json_value& entry, std::int64_t token) {
  const std::string_view content = text_of(entry.find("content"));
  if (content.empty()) return malformed("an added token lacks its content");
  if (token < 0 || token > max_token_id) {
    return malformed("the added token " + std::string(content) + " has the id " +
                     std::to_string(token) + ", expected 0 to " + std::to_string(max_token_id));
  }
  for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
    if (is_true(entry, flag)) {
      return unsupported("the added token " + std::string(content) + " sets " + flag);
    }
  }
  return added_token{static_cast<token_id>(token), std::string(content), is_true(entry, "special")};
}

outcome<nothing> add_unless_known(std::vector<added_token>& tokens, added_token fresh) {
  for (const added_token& known : tokens) {
    if (known.token != fresh.token && known.content != fresh.content) continue;
    if (known.token == fresh.token && known.content == fresh.content) return nothing{};
    return malformed("the added tokens " + known.content + " and " + fresh.content +
                     " share an id or have two");
  }
  tokens.push_back(std::move(fresh));
  return nothing{};
}

refusal read_added_tokens(const json_value& file, std::vector<added_token>& out) {
  const json_value* list = file.find("added_tokens");
  if (is_absent(list)) return nothing{};
  if (list->as_array() == nullptr) return malformed("added_tokens must be an array");
  for (const json_value& entry : *list->as_array()) {
    const json_value* id = entry.find("id");
    if (id == nullptr || id->as_int() == nullptr) return malformed("an added token lacks its id");
    auto token = read_added_token(entry, *id->as_int());
    if (!token) return token.error();
    if (auto added = add_unless_known(out, *std::move(token)); !added) return added;
  }
  return nothing{};
}

// tokenizer_config.json repeats the added tokens, and some models name further ones only there.
refusal read_config(const std::filesystem::path& model_dir, std::vector<added_token>& out) {
  auto config = read_json_file(model_dir / "tokenizer_config.json");
  if (!config) {
    if (config.error().code == error_code::not_found) return nothing{};
    return config.error();
  }
  const json_value* decoder = config->find("added_tokens_decoder");
  if (is_absent(decoder)) return nothing{};
  if (decoder->as_object() == nullptr) {
    return malformed("added_tokens_decoder of tokenizer_config.json must be an object");
  }
  for (const auto& [key, entry] : *decoder->as_object()) {
    std::int64_t id = -1;
    std::from_chars(key.data(), key.data() + key.size(), id);
    auto token = read_added_token(entry, id);
    if (!token) return token.error();
    if (auto added = add_unless_known(out, *std::move(token)); !added) return added;
  }
  return nothing{};
}

refusal read_vocabulary(const json_value& model, tokenizer_file& out) {
  const json_value* value = model.find("vocab");
  const json_object* vocab = value == nullptr ? nullptr : value->as_object();
  if (vocab == nullptr) return malformed("model.vocab must be an object");
  std::int64_t last = 0;
  std::size_t num_bytes = 0;
  for (const auto& [spelling, id] : *vocab) {
    if (id.as_int() == nullptr || *id.as_int() < 0 || *id.as_int() > max_token_id) {
      return malformed("the token \"" + spelling + "\" has no id from 0 to " +
                       std::to_string(max_token_id));
    }
    last = std::max(last, *id.as_int());
    num_bytes += spelling.size();
  }
  for (const added_token& token : out.added) {
    last = std::max<std::int64_t>(last, token.token);
    num_bytes += token.content.size();
  }
  out.tokens.reserve(static_cast<std::size_t>(last) + 1, num_bytes);
  std::string bytes;
  for (const auto& [spelling, id] : *vocab) {
    bytes.clear();
    if (!append_spelled_bytes(bytes, spelling)) {
      return unsupported("the token \"" + spelling + "\" is not spelled in the byte alphabet");
    }
    if (!out.tokens.add(static_cast<token_id>(*id.as_int()), bytes)) {
      return malformed("the token \"" + spelling + "\" shares its id or is empty");
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(static_cast<unsigned char>(byte));
    if (out.tokens.find({&c, 1}) < 0) {
      return malformed("the vocabulary has no token for the byte " + std::to_string(byte));
    }
  }
  return nothing{};
}

// "left right", or ["left", "right"].
bool split_merge(const json_value& entry, std::string_view& left, std::string_view& right) {
  if (const std::string* text = entry.as_string()) {
    const auto blank = text->find(' ');
    if (blank == std::string::npos || text->find(' ', blank + 1) != std::string::npos) return false;
    left = std::string_view(*text).substr(0, blank);
    right = std::string_view(*text).substr(blank + 1);
    return true;
  }
  const json_array* pair = entry.as_array();
  if (pair == nullptr || pair->size() != 2) return false;
  left = text_of(&(*pair)[0]);
  right = text_of(&(*pair)[1]);
  return true;
}

refusal read_merges(const json_value& model, tokenizer_file& out) {
  const json_value* value = model.find("merges");
  const json_array* merges = value == nullptr ? nullptr : value->as_array();
  if (merges == nullptr) return malformed("model.merges must be an array");
  out.merges.reserve(merges->size());
  std::string bytes;
  for (const json_value& entry : *merges) {
    std::string_view left, right;
    if (!split_merge(entry, left, right)) {
      return malformed("the merge " + as_json(&entry) + " is no pair of tokens");
    }
    bytes.clear();
    const bool left_spelled = append_spelled_bytes(bytes, left);
    const std::size_t num_left = bytes.size();
    const bool spelled = left_spelled && append_spelled_bytes(bytes, right);
    const std::string_view both = bytes;
    const merge_rule rule{out.tokens.find(both.substr(0, num_left)),
                          out.tokens.find(both.substr(num_left)), out.tokens.find(both)};
    if (!spelled || rule.left < 0 || rule.right < 0 || rule.merged < 0) {
      return malformed("the merge " + as_json(&entry) + " names a token that is not in the vocab");
    }
    out.merges.push_back(rule);
  }
  return nothing{};
}

// After the merges: the content of an added token must not count as a base token there.
refusal place_added_tokens(tokenizer_file& out) {
  for (const added_token& token : out.added) {
    const std::string_view present = out.tokens.bytes(token.token);
    if (present == token.content) continue;
    if (!present.empty() || !out.tokens.add(token.token, token.content)) {
      return malformed("the added token " + token.content + " shares its id " +
                       std::to_string(token.token) + " or has another in the vocab");
    }
  }
  return nothing{};
}

}  // namespace

outcome<tokenizer_file> load_tokenizer_file(const std::filesystem::path& model_dir) {
  auto json = read_json_file(model_dir / "tokenizer.json");
  if (!json) return json.error();
  const json_value* model = json->find("model");
  if (model == nullptr) return malformed("there is no model");
  tokenizer_file out;
  out.normalise = !is_absent(json->find("normalizer"));
  for (const refusal& checked :
       {check_stages(*json), check_model(*model), read_added_tokens(*json, out.added),
        read_config(model_dir, out.added)}) {
    if (!checked) return checked.error();
  }
  if (auto read = read_vocabulary(*model, out); !read) return read.error();
  if (auto read = read_merges(*model, out); !read) return read.error();
  if (auto placed = place_added_tokens(out); !placed) return placed.error();
  return out;
}

}  // namespace troupe
