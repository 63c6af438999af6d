// What the tests of grammars share: a compiler over a real vocabulary, and a reader of whole texts.
#pragma once
#include "../shared_data.hpp"
#include "text/grammar/compiled_grammar.hpp"
#include "text/grammar/grammar.hpp"

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// The demo model's tokenizer, which is part of the source tree.
inline const grammar_compiler& small_compiler() {
  static const auto made = [] {
    auto words = tokenizer::load(TROUPE_DEMO_MODEL);
    REQUIRE(words);
    auto shared = std::make_shared<const tokenizer>(*std::move(words));
    const std::uint32_t size = shared->vocab_size();
    return std::make_unique<grammar_compiler>(shared, std::vector<token_id>{0}, size + 100);
  }();
  return *made;
}

inline const grammar::compiled_grammar& bytes_of(const token_constraint_ptr& made) {
  return dynamic_cast<const grammar::compiled_grammar&>(*made);
}

inline bool accepts(const token_constraint_ptr& made, std::string_view text) {
  const auto& grammar = bytes_of(made);
  grammar::thread_set at = grammar.begin();
  return grammar.accept(at, text) && grammar.may_end(at);
}

inline token_constraint_ptr compiled(grammar_outcome<bound_grammar> made) {
  REQUIRE_MESSAGE(made, (made ? std::string() : made.error().message()));
  return made->constraint;
}

inline json_value json(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE_MESSAGE(value, (value ? std::string() : value.error().message));
  return *std::move(value);
}

inline token_constraint_ptr of_schema(std::string_view schema, schema_options options = {}) {
  return compiled(small_compiler().json_schema(json(schema), options));
}

// "pointer: keyword: reason" of the refusal, or "compiled".
inline std::string refusal_of(std::string_view schema) {
  const auto made = small_compiler().json_schema(json(schema));
  return made ? "compiled"
              : made.error().why.pointer + ": " +
                    (made.error().why.keyword.empty() ? "" : made.error().why.keyword + ": ") +
                    made.error().why.reason;
}

// Holds the mask of `at` against the acceptor, for every token there is.
inline std::size_t count_mask_errors(const grammar::compiled_grammar& grammar,
                                     const grammar::thread_set& at) {
  std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
  grammar.fill(at, mask);
  std::size_t errors = 0;
  for (std::uint32_t i = 0; i < grammar.words().size(); ++i) {
    const auto bytes = grammar.words().bytes(static_cast<token_id>(i));
    grammar::thread_set moved = at;
    const bool fits = !bytes.empty() && grammar.accept(moved, bytes);
    if (fits != ((mask[i / 32] >> (i % 32) & 1U) != 0)) ++errors;
  }
  return errors;
}

// Walks at random through tokens that the masks allow and checks the mask at each place.
inline std::size_t walk_and_count_errors(const token_constraint_ptr& made, std::uint32_t seed,
                                         int num_steps) {
  const auto& grammar = bytes_of(made);
  std::mt19937 random(seed);
  grammar::thread_set at = grammar.begin();
  std::size_t errors = 0;
  for (int step = 0; step < num_steps; ++step) {
    errors += count_mask_errors(grammar, at);
    std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
    grammar.fill(at, mask);
    std::vector<token_id> allowed;
    for (std::uint32_t i = 0; i < grammar.words().size(); ++i) {
      if ((mask[i / 32] >> (i % 32) & 1U) != 0) allowed.push_back(static_cast<token_id>(i));
    }
    if (allowed.empty()) return errors + (grammar.may_end(at) ? 0 : 1);
    const token_id token = allowed[random() % allowed.size()];
    if (!grammar.accept(at, grammar.words().bytes(token))) return errors + 1;
  }
  return errors;
}

}  // namespace troupe
