// What the tests of grammars share: a compiler over a real vocabulary, and a reader of whole texts.
#pragma once
#include "../shared_data.hpp"
#include "text/grammar/compiled_grammar.hpp"
#include "text/grammar/grammar.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
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

// An answer that takes whatever a mask allows, until it ends.
class random_walk {
 public:
  random_walk(const token_constraint_ptr& made, std::uint32_t seed)
      : words_(bytes_of(made).words()),
        eos_(bytes_of(made).eos().front()),
        state_(made->start()),
        random_(seed),
        mask_(words_.num_mask_words()) {}

  // Whether there was a token to take. A mask that allows nothing, or what is refused, is an error.
  bool step() {
    if (has_ended_) return false;
    state_->fill_mask(mask_);
    std::vector<token_id> allowed;
    for (std::size_t i = 0; i < 32 * mask_.size(); ++i) {
      if ((mask_[i / 32] >> (i % 32) & 1U) != 0) allowed.push_back(static_cast<token_id>(i));
    }
    REQUIRE(!allowed.empty());
    const token_id token = choose(allowed);
    CAPTURE(text_);
    CAPTURE(std::string(words_.bytes(token)));
    CAPTURE(token);
    REQUIRE(state_->accept(token));
    has_ended_ = token == eos_;
    if (!has_ended_) text_ += words_.bytes(token);
    return true;
  }
  const constraint_state& state() const { return *state_; }
  bool has_ended() const { return has_ended_; }
  const std::string& text() const { return text_; }

 private:
  // Most tokens are words that only make strings longer, so every second one is drawn from those
  // that end something.
  token_id choose(const std::vector<token_id>& allowed) {
    token_id token = allowed[random_() % allowed.size()];
    for (int tries = 0; tries < 200 && random_() % 2 == 0; ++tries) {
      if (words_.bytes(token).find_first_of("\"}],:") != std::string_view::npos) break;
      token = allowed[random_() % allowed.size()];
    }
    return token;
  }

  const grammar::vocabulary& words_;
  token_id eos_;
  std::unique_ptr<constraint_state> state_;
  std::mt19937 random_;
  std::vector<std::uint32_t> mask_;
  std::string text_;
  bool has_ended_ = false;
};

// Every token with bytes, in the order of these.
inline std::vector<std::pair<std::string_view, token_id>> sorted_tokens(
    const grammar::vocabulary& words) {
  std::vector<std::pair<std::string_view, token_id>> out;
  for (std::uint32_t i = 0; i < words.size(); ++i) {
    const std::string_view bytes = words.bytes(static_cast<token_id>(i));
    if (!bytes.empty()) out.emplace_back(bytes, static_cast<token_id>(i));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The tokens that a reader of single bytes takes at a place, one after another; what neighbours
// begin with is read once.
inline std::vector<std::uint32_t> mask_of_acceptor(const grammar::compiled_grammar& grammar,
                                                   const grammar::thread_set& at) {
  static std::map<const grammar::vocabulary*, std::vector<std::pair<std::string_view, token_id>>>
      known;
  auto& tokens = known[&grammar.words()];
  if (tokens.empty()) tokens = sorted_tokens(grammar.words());
  std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
  std::vector<grammar::thread_set> places{at};  // after so many bytes of `before`
  std::string_view before;
  for (const auto& [bytes, token] : tokens) {
    const auto differs = std::mismatch(before.begin(), before.end(), bytes.begin(), bytes.end());
    const auto common = static_cast<std::size_t>(differs.first - before.begin());
    if (common + 1 < places.size()) places.resize(common + 1);
    before = bytes;
    while (places.size() <= bytes.size() && !places.back().threads.empty()) {
      grammar::thread_set next = places.back();
      if (!grammar.accept(next, bytes.substr(places.size() - 1, 1))) next = {};
      places.push_back(std::move(next));
    }
    const bool fits = places.size() == bytes.size() + 1 && !places.back().threads.empty();
    if (fits) grammar::set_bit(mask, token);
  }
  return mask;
}

// Holds the mask of `at` against the acceptor, for every token there is.
inline std::size_t count_mask_errors(const grammar::compiled_grammar& grammar,
                                     const grammar::thread_set& at) {
  std::vector<std::uint32_t> mask(grammar.words().num_mask_words());
  grammar.fill(at, mask);
  const std::vector<std::uint32_t> expected = mask_of_acceptor(grammar, at);
  std::size_t errors = 0;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    errors += static_cast<std::size_t>(std::popcount(mask[i] ^ expected[i]));
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
