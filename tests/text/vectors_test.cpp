// The tokenizer and the detokenizer against recorded answers of other implementations.
#include "shared_data.hpp"
#include "text/chat_template.hpp"
#include "text/detokenizer.hpp"
#include "text/tokenizer.hpp"

#include <memory>
#include <sstream>

namespace troupe {
namespace {

std::shared_ptr<const tokenizer> qwen() {
  static const auto loaded = [] {
    auto words = tokenizer::load(shared_data() / "qwen2_5");
    REQUIRE_MESSAGE(words, (words ? std::string() : words.error().message));
    return std::make_shared<const tokenizer>(*std::move(words));
  }();
  return loaded;
}

TEST_CASE("recorded encodings and decodings of Qwen2.5's tokenizer") {
  if (!has_shared("qwen2_5/vectors_public.jsonl")) return;
  const auto words = qwen();
  CHECK(words->vocab_size() == 151'665);
  for (const json_value& row : read_json_lines("qwen2_5/vectors_public.jsonl")) {
    CAPTURE(string_of(row, "id"));
    std::string text = string_of(row, "text");
    if (const json_value* repeat = row.find("repeat"); repeat != nullptr && !repeat->is_null()) {
      CAPTURE(*repeat->as_int());
    }
    if (row.find("bytes_hex") != nullptr) {
      const std::string bytes = from_hex(string_of(row, "bytes_hex"));
      CHECK(words->encode(bytes) == ids_of(row, "ids"));
    }
    const auto ids = words->encode(text);
    CHECK(ids == ids_of(row, "ids"));
    const auto plain = words->encode(text, added_tokens_in_text::plain);
    CHECK(plain == ids_of(row, row.find("ids_no_special") != nullptr ? "ids_no_special" : "ids"));
    const std::string decoded = row.find("decoded") != nullptr ? string_of(row, "decoded") : text;
    CHECK(words->decode(ids, false) == decoded);
    CHECK(words->decode(ids, true) == (row.find("decoded_skip_special") != nullptr
                                           ? string_of(row, "decoded_skip_special")
                                           : decoded));
  }
}

TEST_CASE("llama.cpp's cases for Qwen2.5's tokenizer") {
  if (!has_shared("qwen2_5/ggml-vocab-qwen2.gguf.inp")) return;
  const std::string input = read_shared("qwen2_5/ggml-vocab-qwen2.gguf.inp");
  std::istringstream expected(read_shared("qwen2_5/ggml-vocab-qwen2.gguf.out"));
  constexpr std::string_view separator = "\n__ggml_vocab_test__\n";
  std::size_t begin = 0, num_cases = 0;
  for (std::string line; std::getline(expected, line); ++num_cases) {
    const std::size_t end = std::min(input.find(separator, begin), input.size());
    std::istringstream numbers(line);
    std::vector<token_id> ids;
    for (token_id id = 0; numbers >> id;) ids.push_back(id);
    CHECK(qwen()->encode(input.substr(begin, end - begin)) == ids);
    begin = std::min(end + separator.size(), input.size());
  }
  CHECK(num_cases >= 46);
}

TEST_CASE("recorded conversations render to Qwen2.5's prompt") {
  if (!has_shared("qwen2_5/chat_public.jsonl")) return;
  const auto chat = chat_template::load(shared_data() / "qwen2_5");
  REQUIRE(chat);
  for (const json_value& row : read_json_lines("qwen2_5/chat_public.jsonl")) {
    CAPTURE(string_of(row, "id"));
    const auto text = chat->render(*row.find("messages"), *row.find("tools"),
                                   bool_of(row, "add_generation_prompt"));
    // The official template drops an unknown role without a word; we refuse it.
    const bool unknown_role = string_of(row, "id") == "c040";
    if (bool_of(row, "error") || unknown_role) {
      REQUIRE(!text);
      CHECK(text.error().code == error_code::invalid_argument);
      continue;
    }
    REQUIRE_MESSAGE(text, (text ? std::string() : text.error().message));
    CHECK(text->text == string_of(row, "rendered"));
    CHECK(qwen()->encode(text->text) == ids_of(row, "ids"));
    // Added tokens that the conversation spells are text; Hugging Face makes tokens of them.
    const bool has_tag_in_call = string_of(row, "id") == "c030";
    if (has_tag_in_call) {
      const auto ids = qwen()->encode_parts(text->text, text->own);
      CHECK(qwen()->decode(ids, false) == text->text);
      CHECK(ids.size() > ids_of(row, "ids").size());
      continue;
    }
    constexpr std::string_view as_text = "ids_safe_user_specials_as_text";
    const auto safe = ids_of(row, row.find(as_text) == nullptr ? "ids" : as_text);
    CHECK(qwen()->encode_parts(text->text, text->own) == safe);
  }
}

std::vector<token_id> single_bytes(std::string_view bytes) {
  std::vector<token_id> ids;
  for (const char byte : bytes) {
    token_id id = 0;
    while (qwen()->bytes(id) != std::string_view(&byte, 1)) ++id;
    ids.push_back(id);
  }
  return ids;
}

TEST_CASE("recorded answers detokenise token by token") {
  if (!has_shared("qwen2_5/detok_public.jsonl")) return;
  for (const json_value& row : read_json_lines("qwen2_5/detok_public.jsonl")) {
    CAPTURE(string_of(row, "id"));
    detokenizer_options options;
    options.skip_special_tokens = bool_of(row, "skip_special");
    options.include_stop_str_in_output = bool_of(row, "include_stop");
    for (const json_value& stop : *row.find("stop")->as_array()) {
      options.stop.push_back(*stop.as_string());
    }
    std::vector<token_id> prompt;
    if (const json_value* tail = row.find("prompt_tail_hex")) {
      prompt = single_bytes(from_hex(*tail->as_string()));
    }
    detokenizer out(qwen(), options, prompt);
    const auto ids = ids_of(row, "ids");
    const auto cum_bytes = ids_of(row, "cum_bytes");
    const std::string final_text = string_of(row, "final_text");
    std::string text;
    bool stopped = false;
    for (std::size_t i = 0; i < ids.size() && !stopped; ++i) {
      stopped = out.push(ids[i]);
      text += out.take();
      REQUIRE(i < cum_bytes.size());
      CHECK(text == final_text.substr(0, static_cast<std::size_t>(cum_bytes[i])));
      const json_value* stop_idx = row.find("stop_token_index");
      CHECK(stopped ==
            (stop_idx->as_int() != nullptr && *stop_idx->as_int() == static_cast<std::int64_t>(i)));
    }
    out.finish();
    text += out.take();
    CHECK(text == final_text);
    const json_value* matched = row.find("stop_matched");
    CHECK(out.matched_stop().has_value() == !matched->is_null());
    if (!matched->is_null()) CHECK(out.matched_stop().value() == *matched->as_string());
    if (stopped) CHECK(out.push(ids.back()));
    CHECK(out.take().empty());
  }
}

}  // namespace
}  // namespace troupe
