#include "text/grammar/grammar.hpp"

#include "text/grammar/compiled_grammar.hpp"
#include "text/grammar/ebnf_rules.hpp"
#include "text/grammar/json_rules.hpp"
#include "text/grammar/regex.hpp"
#include "text/grammar/schema_graph.hpp"
#include "text/grammar/schema_rules.hpp"
#include "text/grammar/tool_call_grammar.hpp"
#include "text/utf8.hpp"

#include <algorithm>
#include <optional>

namespace troupe {

using namespace grammar;

namespace {

// One terminal is the whole grammar.
rule_set text_rules(language_pool& pool, language words) {
  rule_set rules;
  value_rule root;
  root.scalars = pool.concat(words, pool.tag(label::value));
  root.how = spelling::text;
  rules.values.push_back(std::move(root));
  rules.root = 0;
  return rules;
}

std::optional<tool_tokens> find_tool_tokens(const tokenizer& words, const vocabulary& bytes) {
  const auto open = words.find_added("<tool_call>");
  const auto close = words.find_added("</tool_call>");
  if (!open || !close) return std::nullopt;
  tool_tokens tokens{*open, *close, {}};
  for (std::uint32_t i = 0; i < words.vocab_size(); ++i) {
    if (bytes.bytes(static_cast<token_id>(i)) == "\n") {
      tokens.newline.push_back(static_cast<token_id>(i));
    }
  }
  return tokens;
}

// The first mask is made right here, before an answer waits for it.
grammar_outcome<bound_grammar> with_first_mask(std::shared_ptr<const compiled_grammar> made,
                                               std::vector<grammar_note> warnings,
                                               const char* keyword) {
  if (auto trouble = made->warm()) {
    return refuse_grammar(error_code::too_large, "", keyword, *std::move(trouble));
  }
  return bound_grammar{std::move(made), std::move(warnings)};
}

}  // namespace

grammar_compiler::grammar_compiler(std::shared_ptr<const tokenizer> words,
                                   std::vector<token_id> eos, std::uint32_t vocab_size)
    : tokenizer_(words),
      words_(std::make_shared<const vocabulary>(std::move(words), vocab_size)),
      eos_(std::move(eos)) {
  const auto beyond = [&](token_id token) {
    return token < 0 || static_cast<std::uint32_t>(token) >= words_->size();
  };
  std::erase_if(eos_, beyond);
}

grammar_compiler::~grammar_compiler() = default;

grammar_outcome<bound_grammar> grammar_compiler::any_json() const {
  auto pool = std::make_unique<language_pool>();
  rule_set rules;
  rules.root = add_any_value(*pool, rules);
  return bound_grammar{
      std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), std::move(rules)), {}};
}

grammar_outcome<bound_grammar> grammar_compiler::any_json_object() const {
  auto pool = std::make_unique<language_pool>();
  rule_set rules;
  const value_index any = add_any_value(*pool, rules);
  rules.root = static_cast<value_index>(rules.values.size());
  value_rule root;
  root.containers = {rules.values[any].containers[1]};
  rules.values.push_back(std::move(root));
  return bound_grammar{
      std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), std::move(rules)), {}};
}

grammar_outcome<bound_grammar> grammar_compiler::json_schema(const troupe::json_value& schema,
                                                             const schema_options& options) const {
  compile_budget budget;
  auto pool = std::make_unique<language_pool>();
  pool->set_budget(&budget);
  rule_set rules;
  rules.blanks = static_cast<whitespace>(options.whitespace);
  std::vector<grammar_note> warnings;
  const auto root = add_schema(*pool, rules, schema, options, budget, warnings);
  pool->set_budget(nullptr);
  if (!root) return root.error();
  rules.root = *root;
  return with_first_mask(
      std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), std::move(rules)),
      std::move(warnings), "");
}

grammar_outcome<bound_grammar> grammar_compiler::regex(std::string_view pattern) const {
  compile_budget budget;
  auto pool = std::make_unique<language_pool>();
  pool->set_budget(&budget);
  const auto words = match_language(*pool, pattern);
  const bool is_live = words && pool->is_live(*words);
  pool->set_budget(nullptr);
  if (!words) {
    return refuse_grammar(words.error().code, "", "regex", words.error().message);
  }
  if (budget.is_spent()) return refuse_grammar(budget.code(), "", "regex", budget.reason());
  if (!is_live) {
    return refuse_grammar(error_code::invalid_argument, "", "regex", "matches no text at all");
  }
  rule_set rules = text_rules(*pool, *words);
  return with_first_mask(
      std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), std::move(rules)), {},
      "regex");
}

grammar_outcome<bound_grammar> grammar_compiler::choice(
    const std::vector<std::string>& texts) const {
  if (texts.empty()) {
    return refuse_grammar(error_code::invalid_argument, "", "choice",
                          "is empty, expected at least one text");
  }
  compile_budget budget;
  auto pool = std::make_unique<language_pool>();
  constexpr std::size_t max_choice_bytes = 1U << 20U;
  std::size_t num_bytes = 0;
  std::vector<std::pair<std::u32string, language>> words;
  for (const std::string& text : texts) {
    num_bytes += text.size() + 1;
    if (!is_utf8(text)) {
      return refuse_grammar(error_code::invalid_argument, "", "choice",
                            "holds a text that is not UTF-8");
    }
    if (text.size() > max_literal_bytes) {
      return refuse_grammar(error_code::too_large, "", "choice",
                            "holds a text of more than 8,192 bytes");
    }
    words.emplace_back(decode_utf8(text), empty_word);
  }
  if (num_bytes > max_choice_bytes) {
    return refuse_grammar(error_code::too_large, "", "choice", "is larger than 1 MiB");
  }
  pool->set_budget(&budget);
  rule_set rules = text_rules(*pool, pool->words(words));
  pool->set_budget(nullptr);
  if (pool->is_exhausted()) {
    return refuse_grammar(budget.code(), "", "choice", "is too large: " + budget.reason());
  }
  return bound_grammar{
      std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), std::move(rules)), {}};
}

grammar_outcome<bound_grammar> grammar_compiler::grammar(std::string_view source) const {
  compile_budget budget;
  auto pool = std::make_unique<language_pool>();
  pool->set_budget(&budget);
  auto rules = ebnf_rules(*pool, source);
  pool->set_budget(nullptr);
  if (budget.is_spent()) return refuse_grammar(budget.code(), "", "grammar", budget.reason());
  if (!rules) return rules.error();
  return bound_grammar{
      std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), *std::move(rules)), {}};
}

// Text that spells no tag.
std::shared_ptr<const compiled_grammar> grammar_compiler::free_text() const {
  auto pool = std::make_unique<language_pool>();
  rule_set rules = text_rules(*pool, text_without_tag(*pool));
  return std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), std::move(rules));
}

grammar_outcome<bound_grammar> grammar_compiler::tool_calls(
    const std::vector<tool_definition>& tools, const tool_choice& wanted,
    const token_constraint_ptr& instead) const {
  auto tokens = find_tool_tokens(*tokenizer_, *words_);
  if (!tokens) {
    return refuse_grammar(error_code::unsupported, "", "tools",
                          "the model's vocabulary has no token <tool_call>");
  }
  compile_budget budget;
  auto pool = std::make_unique<language_pool>();
  pool->set_budget(&budget);
  const bool is_named = wanted.how == tool_choice::mode::named;
  std::vector<grammar_note> warnings;
  auto rules = call_rules(*pool, tools, is_named ? wanted.name : std::string(), budget, warnings);
  pool->set_budget(nullptr);
  if (!rules) return rules.error();
  if (pool->is_exhausted()) {
    return refuse_grammar(budget.code(), "", "tools", "are too large: " + budget.reason());
  }
  auto call = std::make_shared<compiled_grammar>(words_, eos_, std::move(pool), *std::move(rules));
  tool_call_options how{.is_text_alone = instead != nullptr, .is_parallel = wanted.parallel};
  std::shared_ptr<const compiled_grammar> text;
  if (wanted.how == tool_choice::mode::automatic) {
    text = instead ? std::dynamic_pointer_cast<const compiled_grammar>(instead) : free_text();
    if (!text) {
      return refuse_grammar(error_code::unsupported, "", "tools",
                            "the text beside calls cannot be calls itself");
    }
  }
  return bound_grammar{std::make_shared<tool_call_grammar>(std::move(text), std::move(call),
                                                           *std::move(tokens), how),
                       std::move(warnings)};
}

}  // namespace troupe
