// The tokenizer on a model small enough to work out by hand, and the refusals of files that ask for
// what we do not do.
#include "text/tokenizer.hpp"

#include "small_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <thread>

namespace troupe {
namespace {

using ids = std::vector<token_id>;

tokenizer load(const small_model& model) {
  const temporary_folder folder;
  folder.write_json("tokenizer.json", model.tokenizer_json());
  auto words = tokenizer::load(folder.path());
  REQUIRE_MESSAGE(words, (words ? std::string() : words.error().message));
  return *std::move(words);
}

TEST_CASE("pairs merge in the order of learning, whichever way the file spells them") {
  for (const bool as_pairs : {false, true}) {
    small_model model;
    model.merges_as_pairs = as_pairs;
    const tokenizer words = load(model);
    CHECK(words.vocab_size() == 256 + 7 + 2);
    CHECK(words.encode("abc") == ids{257});
    CHECK(words.encode("bc") == ids{258});
    CHECK(words.encode("abbc") == ids{256, 258});
    CHECK(words.encode("aaaaa") == ids{261, 'a'});
    CHECK(words.encode(" ab ab") == ids{259, 259});
    CHECK(words.encode(" abc") == ids{' ', 257});  // "ab c" was learnt before " ab"
    CHECK(words.encode("").empty());
    CHECK(words.encode("\u4f60") == ids{262, 0xA0});
    CHECK(words.encode(std::string_view("\0x", 2)) == ids{0, 'x'});
  }
}

TEST_CASE("added tokens are cut out of the raw text, or taken as text") {
  const tokenizer words = load({});
  CHECK(words.encode("ab<|end|>ab<tool><|end") == ids{256, 263, 256, 264, '<', '|', 'e', 'n', 'd'});
  CHECK(words.encode("<|end|>", added_tokens_in_text::plain).size() == 7);
  CHECK(words.encode("<<|end|>>") == ids{'<', 263, '>'});
  // A piece is normalised on its own: the accent has nothing to compose with.
  CHECK(words.encode("e\u0301") == ids{0xC3, 0xA9});
  CHECK(words.encode("<tool>\u0301") == ids{264, 0xCC, 0x81});
  CHECK(words.find_added("<tool>") == 264);
  CHECK(!words.find_added("<tool").has_value());
  CHECK(words.is_special(263));
  CHECK(!words.is_special(264));
  CHECK(!words.is_special(-1));
  CHECK(words.bytes(263) == "<|end|>");
  CHECK(words.bytes(259) == " ab");
  CHECK(words.bytes(265).empty());
  CHECK(words.bytes(-1).empty());
}

TEST_CASE("decoding joins bytes across tokens and replaces what is ill-formed") {
  const tokenizer words = load({});
  CHECK(words.decode({262, 0xA0}, false) == "\u4f60");
  CHECK(words.decode({262, 263, 0xA0}, true) == "\u4f60");
  CHECK(words.decode({262, 263, 0xA0}, false) == "\ufffd<|end|>\ufffd");
  CHECK(words.decode({262, 264}, true) == "\ufffd<tool>");
  CHECK(words.decode({'a', 100'000, -7, 262}, false) == "a\ufffd");
  CHECK(words.encode("\xE4\xBD") == words.encode("\ufffd"));
  CHECK(words.encode("\xFF\xFE") == words.encode("\ufffd\ufffd"));
}

// The definition, quadratic: merge the leftmost pair of the lowest rank until there is none.
ids merge_naively(const tokenizer& words, const small_model& model, std::string_view piece) {
  std::map<std::pair<std::string, std::string>, std::size_t> ranks;
  for (std::size_t i = 0; i < model.merges.size(); ++i) ranks[model.merges[i]] = i;
  std::vector<std::string> parts;
  for (const char byte : piece) parts.emplace_back(1, byte);
  for (;;) {
    std::size_t best = parts.size(), best_rank = model.merges.size();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks.find({parts[i], parts[i + 1]});
      if (found != ranks.end() && found->second < best_rank) {
        best = i;
        best_rank = found->second;
      }
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  ids out;
  for (const std::string& part : parts) out.push_back(words.encode(part).at(0));
  return out;
}

TEST_CASE("short and long pieces merge as the definition says") {
  small_model model;
  model.merges = {{"c", "a"},   {"a", "b"},    {"b", "a"},  {"ab", "ab"}, {"ba", "ba"},
                  {"ab", "c"},  {"a", "a"},    {"aa", "a"}, {"c", "c"},   {"cc", "cc"},
                  {"ca", "ab"}, {"abab", "c"}, {"b", "b"},  {"bb", "aa"}, {"caab", "a"},
                  {"aaa", "b"}, {"ccc", "a"},  {"cc", "ca"}};
  model.merges.erase(model.merges.begin() + 16);  // "ccc" is never made
  const tokenizer words = load(model);
  std::mt19937 random(5);
  for (const std::size_t size : {1U, 2U, 3U, 7U, 20U, 47U, 48U, 49U, 50U, 90U, 300U}) {
    for (int round = 0; round < 60; ++round) {
      std::string piece;
      for (std::size_t i = 0; i < size; ++i) piece += static_cast<char>('a' + random() % 3);
      CAPTURE(piece);
      CHECK(words.encode(piece) == merge_naively(words, model, piece));
    }
  }
}

TEST_CASE("many threads share one tokenizer") {
  const tokenizer words = load({});
  const std::string text = "ab abc aaaa bc \u4f60 <tool> ab";
  const ids expected = words.encode(text);
  std::vector<std::thread> threads;
  std::vector<int> num_equal(4);
  for (int& count : num_equal) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) count += words.encode(text) == expected ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(num_equal == std::vector<int>(4, 500));
}

std::string why_refused(std::string_view from, std::string_view to) {
  std::string text;
  append_json(text, small_model{}.tokenizer_json());
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  const temporary_folder folder;
  folder.write("tokenizer.json", text);
  const auto words = tokenizer::load(folder.path());
  return words ? "accepted" : words.error().message;
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST_CASE("a tokenizer.json that asks for something else is refused in one sentence") {
  CHECK(holds(why_refused("\"NFC\"", "\"NFKC\""), "the normalizer {\"type\":\"NFKC\"} is not NFC"));
  CHECK(holds(why_refused("\"Split\"", "\"Digits\""), "must be a Split"));
  CHECK(holds(why_refused("\\\\p{N}|", "\\\\p{N}{1,3}|"), "is not Qwen2's"));
  CHECK(holds(why_refused("\"Isolated\"", "\"Removed\""), "behavior Isolated"));
  CHECK(holds(why_refused("\"use_regex\":false", "\"use_regex\":true"), "must be ByteLevel"));
  CHECK(holds(
      why_refused("\"decoder\":{\"type\":\"ByteLevel\"", "\"decoder\":{\"type\":\"WordPiece\""),
      "is not ByteLevel"));
  CHECK(holds(why_refused("\"BPE\"", "\"Unigram\""), "\"Unigram\", not BPE"));
  CHECK(holds(why_refused("\"type\":\"BPE\"", "\"type\":\"BPE\",\"byte_fallback\":true"),
              "sets byte_fallback"));
  CHECK(
      holds(why_refused("\"type\":\"BPE\"", "\"type\":\"BPE\",\"dropout\":0.1"), "dropout to 0.1"));
  CHECK(holds(why_refused("\"special\":true", "\"special\":true,\"lstrip\":true"), "sets lstrip"));
  CHECK(holds(why_refused("\"id\":264", "\"id\":263"), "share an id"));
  CHECK(holds(why_refused("\"id\":264", "\"id\":97"), "shares its id 97"));
  CHECK(holds(why_refused("\"id\":264", "\"id\":99999999999"), "expected 0 to"));
  CHECK(holds(why_refused("\"a\":97,", ""), "no token for the byte 97"));
  CHECK(holds(why_refused("\"a\":97,", "\"a\":98,"), "shares its id"));
  CHECK(holds(why_refused("\"a\":97,", "\"a\":-1,"), "has no id from 0"));
  CHECK(holds(why_refused("\"a\":97,", "\"a\":97,\"x y\":270,"), "byte alphabet"));
  CHECK(holds(why_refused("\"a b\"", "\"a z\""), "not in the vocab"));
  CHECK(holds(why_refused("\"a b\"", "\"ab\""), "is no pair"));
  CHECK(holds(why_refused("\"merges\"", "\"rules\""), "model.merges must be an array"));
  CHECK(holds(why_refused("\"vocab\"", "\"words\""), "model.vocab must be an object"));
  CHECK(holds(why_refused("{\"added", "[\"added"), "malformed"));
  CHECK(why_refused("\"special\":true", "\"special\":true,\"lstrip\":false") == "accepted");
}

TEST_CASE("tokenizer_config.json may add tokens and must not contradict") {
  const temporary_folder folder;
  folder.write_json("tokenizer.json", small_model{}.tokenizer_json());
  folder.write("tokenizer_config.json",
               R"({"added_tokens_decoder":{"263":{"content":"<|end|>","special":true},
                                           "270":{"content":"<late>","special":true}}})");
  auto words = tokenizer::load(folder.path());
  REQUIRE(words);
  CHECK(words->encode("a<late>") == ids{'a', 270});
  CHECK(words->vocab_size() == 271);
  CHECK(words->bytes(266).empty());
  folder.write("tokenizer_config.json",
               R"({"added_tokens_decoder":{"263":{"content":"<|stop|>"}}})");
  words = tokenizer::load(folder.path());
  REQUIRE(!words);
  CHECK(holds(words.error().message, "<|end|> and <|stop|> share an id"));
}

TEST_CASE("a missing tokenizer.json is named") {
  const temporary_folder folder;
  const auto words = tokenizer::load(folder.path());
  REQUIRE(!words);
  CHECK(words.error().code == error_code::not_found);
  CHECK(holds(words.error().message, "tokenizer.json"));
}

}  // namespace
}  // namespace troupe
