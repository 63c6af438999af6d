// What must come next: texts that leave no choice, cut into tokens as the tokenizer would.
#include "grammar_tester.hpp"

namespace troupe {
namespace {

using tokens = std::vector<token_id>;

const grammar::vocabulary& words() { return bytes_of(of_schema("{}")).words(); }

std::string spelled(const tokens& ids) {
  std::string out;
  for (const token_id id : ids) out += words().bytes(id);
  return out;
}

// What is forced after `text`, read byte by byte.
tokens forced_after(const token_constraint_ptr& made, std::string_view text) {
  const auto& grammar = bytes_of(made);
  grammar::thread_set at = grammar.begin();
  REQUIRE(grammar.accept(at, text));
  return grammar.forced_tokens(at);
}

TEST_CASE("a name that must come is forced, without a token that might still grow") {
  const auto made = of_schema(
      R"({"properties":{"temperature":{"type":"integer"},"city":{"type":"string"}},
          "required":["temperature","city"],"additionalProperties":false})");
  CHECK(forced_after(made, "").empty());  // `{` may be followed by a blank in the same token
  const tokens name = forced_after(made, "{\"");
  const tokens all = words().encode("temperature\":");
  CHECK(name == tokens(all.begin(), all.end() - 1));
  CHECK(forced_after(made, "{\"temperature\": ").empty());
  CHECK(spelled(forced_after(made, "{\"temperature\": 4, \"c")).starts_with("it"));
}

TEST_CASE("an answer without any choice is forced to its end") {
  const auto made = compiled(small_compiler().choice({"for ever and ever"}));
  const tokens all = forced_after(made, "");
  CHECK(all == words().encode("for ever and ever"));
  const auto state = made->start();
  for (const token_id token : all) REQUIRE(state->accept(token));
  CHECK(state->is_finished());
  CHECK(state->forced_tokens().empty());
}

TEST_CASE("characters that share bytes, or lack some, are not cut") {
  const auto two = compiled(small_compiler().choice({"caf\u00e9", "caf\u00e8"}));
  CHECK(std::string("caf").starts_with(spelled(forced_after(two, ""))));
  CHECK(forced_after(two, "caf\xc3").empty());
  const auto one = compiled(small_compiler().choice({"\u00e9t\u00e9"}));
  CHECK(spelled(forced_after(one, "")) == "\u00e9t\u00e9");
  CHECK(forced_after(one, "\xc3").empty());
  // The tokenizer would compose these two characters into another one.
  const auto decomposed = compiled(small_compiler().choice({"e\u0301"}));
  CHECK(forced_after(decomposed, "").empty());
}

TEST_CASE("what is forced may come, wherever a walk gets to") {
  const auto made = of_schema(
      R"({"type":"object","properties":{"kind":{"enum":["north","south","southwest"]},
          "at":{"format":"date"},"list":{"type":"array","minItems":1,
          "items":{"const":"nothing else may stand here"}}},
          "required":["kind","list"],"additionalProperties":false})");
  std::size_t num_forced = 0;
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    random_walk walk(made, seed);
    for (int step = 0; step < 40 && walk.step(); ++step) {
      const tokens forced = walk.state().forced_tokens();
      num_forced += forced.size();
      const auto ahead = walk.state().clone();
      for (const token_id token : forced) CHECK(ahead->accept(token));
      CHECK(walk.state().forced_tokens() == forced);
    }
  }
  CHECK(num_forced > 0);
}

}  // namespace
}  // namespace troupe
