// What must hold for every schema and every place in it: a mask says of every token what a reader
// of single bytes says, whatever was asked before, and never leaves an answer without a way on.
#include "../small_model.hpp"
#include "grammar_tester.hpp"
#include "random_schema.hpp"

#include <set>

namespace troupe {
namespace {

// The vocabulary that people use, where it is there.
const grammar_compiler* large_compiler() {
  static const auto made = []() -> std::unique_ptr<grammar_compiler> {
    if (!has_shared("qwen2_5")) return nullptr;
    auto words = tokenizer::load(shared_data() / "qwen2_5");
    REQUIRE(words);
    auto shared = std::make_shared<const tokenizer>(*std::move(words));
    return std::make_unique<grammar_compiler>(shared, std::vector<token_id>{151'645}, 152'064);
  }();
  return made.get();
}

// Few tokens, but such as reach over several keys and values.
const grammar_compiler& reaching_compiler() {
  static const auto made = [] {
    small_model model;
    std::set<std::pair<std::string, std::string>> known;
    for (const std::string_view text : {"\",\"a\":1,\"",
                                        "\":\"\",\"a\":",
                                        "\":1,\"b\":1,\"b\":",
                                        ",\"s\":1,\"t\":",
                                        "\",\"s\":\"",
                                        "\"},\"a\":{\"x",
                                        "\": 1, \"x\": ",
                                        "a\":\"",
                                        " \"abc\": [",
                                        "]},{\"",
                                        "abab\"}}}",
                                        "\\u000a\\",
                                        "x\\n\\\"",
                                        "\xC3\xA9t\xC3\xA9\":",
                                        "x-a\":",
                                        "1.5,",
                                        "17,null",
                                        "\n  \"a",
                                        "bcabcabcabcabcabcabc",
                                        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
                                        "{}}",
                                        "[[1,1],[",
                                        "1,1,1,1,1,1",
                                        ",1,1,1]",
                                        "\"only this\"",
                                        "\xE4\xBD\xA0\""}) {
      for (std::size_t size = 2; size <= text.size(); ++size) {
        const std::string whole(text.substr(0, size));
        known.emplace(whole.substr(0, size - 1), whole.substr(size - 1));
      }
    }
    model.merges.assign(known.begin(), known.end());
    std::sort(model.merges.begin(), model.merges.end(), [](const auto& x, const auto& y) {
      return std::pair(x.first.size(), x.first) < std::pair(y.first.size(), y.first);
    });
    model.merges.erase(std::unique(model.merges.begin(), model.merges.end()), model.merges.end());
    temporary_folder folder;
    folder.write_json("tokenizer.json", model.tokenizer_json());
    auto words = tokenizer::load(folder.path());
    REQUIRE_MESSAGE(words, (words ? std::string() : words.error().message));
    auto shared = std::make_shared<const tokenizer>(*std::move(words));
    const std::uint32_t size = shared->vocab_size();
    return std::make_unique<grammar_compiler>(shared, std::vector<token_id>{}, size);
  }();
  return *made;
}

// Bytes at random, mostly from an alphabet of which names and structure are made.
class byte_walk {
 public:
  byte_walk(const token_constraint_ptr& made, std::uint32_t seed)
      : grammar_(bytes_of(made)), at_(grammar_.begin()), random_(seed) {}

  bool step() {
    static constexpr std::string_view alphabet = "\"\"\"\",,::[]{}}aabbcxstt- 1.\\nu0\xC3\xA9";
    for (int tries = 0; tries < 60; ++tries) {
      if (take(alphabet[random_() % alphabet.size()])) return true;
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (take(static_cast<char>(byte))) return true;
    }
    return false;
  }
  const grammar::thread_set& at() const { return at_; }
  const std::string& text() const { return text_; }

 private:
  bool take(char byte) {
    if (!grammar_.accept(at_, std::string_view(&byte, 1))) return false;
    text_ += byte;
    return true;
  }

  const grammar::compiled_grammar& grammar_;
  grammar::thread_set at_;
  std::mt19937 random_;
  std::string text_;
};

// Masks are asked for at every step, as an engine does, and checked at some of them.
std::size_t count_errors(const token_constraint_ptr& made, std::uint32_t seed, int num_steps,
                         int every) {
  const auto& grammar = bytes_of(made);
  std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
  byte_walk walk(made, seed);
  std::size_t errors = 0;
  for (int step = 0; step < num_steps; ++step) {
    grammar.fill(walk.at(), mask);
    if (step % every == static_cast<int>(seed) % every) {
      const std::size_t found = count_mask_errors(grammar, walk.at());
      if (found > 0) MESSAGE(found << " tokens differ after " << walk.text());
      errors += found;
    }
    if (!walk.step()) break;
  }
  return errors;
}

void check_random_schemas(const grammar_compiler& compiler, std::uint32_t first,
                          std::uint32_t num_schemas, int num_steps, int every) {
  int num_compiled = 0;
  for (std::uint32_t seed = first; seed < first + num_schemas; ++seed) {
    const std::string schema = random_schema(seed).value();
    const auto made = compiler.json_schema(json(schema));
    if (!made) continue;
    ++num_compiled;
    CAPTURE(schema);
    // Later walks go through tables that earlier ones filled.
    for (std::uint32_t walk = 0; walk < 3; ++walk) {
      CHECK(count_errors(made->constraint, seed + walk, num_steps, every) == 0);
    }
  }
  CHECK(num_compiled > static_cast<int>(num_schemas) / 2);
}

TEST_CASE("masks of random schemas say what the byte reader says") {
  check_random_schemas(reaching_compiler(), 1'000, 300, 80, 1);
  check_random_schemas(small_compiler(), 4'000, 60, 60, 10);
}

// At every place of a list of ones, with masks that were kept further ahead.
std::size_t count_errors_in_list(const token_constraint_ptr& made, int num_items) {
  const auto& grammar = bytes_of(made);
  std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
  grammar::thread_set at = grammar.begin();
  std::size_t errors = 0;
  for (int i = 0; i < num_items; ++i) {
    for (const char* text : {i == 0 ? "[" : ",", "1"}) {
      if (!grammar.accept(at, text)) return errors;
      for (int often = 0; often < 3; ++often) grammar.fill(at, mask);
      errors += count_mask_errors(grammar, at);
    }
  }
  return errors;
}

TEST_CASE("masks far from the bounds of a list are shared, and not those near them") {
  const grammar_compiler& compiler = reaching_compiler();
  for (const char* schema :
       {R"({"items": {"type": "integer"}, "minItems": 60})",
        R"({"items": {"type": "integer"}, "maxItems": 90})",
        R"({"items": {"type": "integer"}, "minItems": 50, "maxItems": 120})",
        R"({"prefixItems": [{}, {"enum": [1, "b"]}, {"type": ["array", "integer"]}],
            "items": {"type": "integer"}, "minItems": 60})",
        R"({"items": {"anyOf": [{"type": "integer"}, {"type": "array", "maxItems": 70}]},
            "maxItems": 80})"}) {
    std::string text(schema);
    text.insert(1, R"("type": "array", )");
    CAPTURE(text);
    const auto made = compiled(compiler.json_schema(json(text)));
    REQUIRE(bytes_of(made).words().max_token_bytes() < 40);
    CHECK(count_errors_in_list(made, 130) == 0);
  }
}

TEST_CASE("masks of random schemas over a full vocabulary") {
  if (large_compiler() == nullptr) return;
  check_random_schemas(*large_compiler(), 2'000, 24, 60, 40);
}

TEST_CASE("masks along real answers over a full vocabulary") {
  if (large_compiler() == nullptr) return;
  if (!has_shared("jsonschema/maskbench_public.jsonl")) return;
  std::mt19937 random(7);
  std::size_t row_index = 0;
  for (const json_value& row : read_json_lines("jsonschema/maskbench_public.jsonl")) {
    if (row_index++ % 25 != 0) continue;
    const auto made = large_compiler()->json_schema(*row.find("schema"));
    if (!made) continue;
    const auto& grammar = bytes_of(made->constraint);
    for (const json_value& test : *row.find("tests")->as_array()) {
      if (!bool_of(test, "valid")) continue;
      std::string text;
      append_json_python(text, *test.find("data"));
      const std::vector<token_id> ids = grammar.words().encode(text);
      const std::size_t checked = random() % ids.size();
      grammar::thread_set at = grammar.begin();
      std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
      for (std::size_t i = 0; i < checked; ++i) {
        grammar.fill(at, mask);
        if (!grammar.accept(at, grammar.words().bytes(ids[i]))) break;
      }
      CAPTURE(string_of(row, "file"));
      CAPTURE(checked);
      CHECK(count_mask_errors(grammar, at) == 0);
      break;
    }
  }
}

// Takes what the masks allow until the end. The mask is never empty (random_walk sees to it), and
// what has ended is an instance.
void check_ways_on(const token_constraint_ptr& made, std::uint32_t seed, int& num_ended) {
  random_walk walk(made, seed);
  for (int step = 0; step < 400 && walk.step(); ++step) {
  }
  if (!walk.has_ended()) return;
  ++num_ended;
  CAPTURE(walk.text());
  const auto parsed = parse_json(walk.text());  // JSON has no greatest number, our parser has
  CHECK((parsed || parsed.error().message.find("is too large") != std::string::npos));
  CHECK(accepts(made, walk.text()));
}

TEST_CASE("an answer always has a way on, and what ends is an instance") {
  int num_ended = 0;
  for (std::uint32_t seed = 3'000; seed < 3'100; ++seed) {
    const std::string schema = random_schema(seed).value();
    const auto made = small_compiler().json_schema(json(schema));
    if (!made) continue;
    CAPTURE(schema);
    check_ways_on(made->constraint, seed, num_ended);
  }
  if (has_shared("jsonschema/maskbench_public.jsonl")) {
    std::uint32_t row_index = 0;
    for (const json_value& row : read_json_lines("jsonschema/maskbench_public.jsonl")) {
      if (row_index++ % 8 != 0) continue;
      const auto made = small_compiler().json_schema(*row.find("schema"));
      if (!made) continue;
      CAPTURE(string_of(row, "file"));
      check_ways_on(made->constraint, row_index, num_ended);
    }
  }
  CHECK(num_ended > 40);
}

}  // namespace
}  // namespace troupe
