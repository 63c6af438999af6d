#include "text/grammar/tool_call_grammar.hpp"

#include "text/grammar/json_rules.hpp"
#include "text/grammar/schema_graph.hpp"
#include "text/grammar/schema_rules.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

class tool_call_state : public constraint_state {
 public:
  tool_call_state(std::shared_ptr<const tool_call_grammar> grammar, tool_call_grammar::place here)
      : grammar_(std::move(grammar)), here_(std::move(here)) {}

  std::unique_ptr<constraint_state> clone() const override {
    return std::make_unique<tool_call_state>(*this);
  }
  bool accept(token_id token) override { return grammar_->accept(here_, token); }
  void fill_mask(std::span<std::uint32_t> mask) const override { grammar_->fill(here_, mask); }
  std::vector<token_id> forced_tokens() const override { return grammar_->forced_tokens(here_); }
  bool is_finished() const override { return grammar_->is_finished(here_); }

 private:
  std::shared_ptr<const tool_call_grammar> grammar_;
  tool_call_grammar::place here_;
};

}  // namespace

tool_call_grammar::tool_call_grammar(std::shared_ptr<const compiled_grammar> text,
                                     std::shared_ptr<const compiled_grammar> call,
                                     tool_tokens tokens, tool_call_options how)
    : text_(std::move(text)), call_(std::move(call)), tokens_(std::move(tokens)), how_(how) {}

std::unique_ptr<constraint_state> tool_call_grammar::start() const {
  place here{text_ ? phase::either : phase::opening, {}};
  if (text_) here.at = text_->begin();
  return std::make_unique<tool_call_state>(shared_from_this(), std::move(here));
}

bool tool_call_grammar::is_eos(token_id token) const {
  const auto& eos = call_->eos();
  return std::find(eos.begin(), eos.end(), token) != eos.end();
}

const compiled_grammar* tool_call_grammar::grammar_of(const place& here) const {
  if (here.where == phase::either || here.where == phase::text) return text_.get();
  return here.where == phase::inside ? call_.get() : nullptr;
}

bool tool_call_grammar::may_end(const place& here) const {
  if (here.where == phase::either || here.where == phase::text) return text_->may_end(here.at);
  return here.where == phase::after || here.where == phase::ended;
}

bool tool_call_grammar::may_open(const place& here) const {
  if (here.where == phase::either || here.where == phase::opening) return true;
  return here.where == phase::text && !how_.is_text_alone && text_->may_end(here.at);
}

bool tool_call_grammar::accept(place& here, token_id token) const {
  if (is_eos(token)) {
    if (!may_end(here)) return false;
    here = {phase::ended, {}};
    return true;
  }
  if (token == tokens_.open) {
    const bool fits = may_open(here);
    if (fits) here = {phase::inside, call_->begin()};
    return fits;
  }
  if (token == tokens_.close) {
    const bool fits = here.where == phase::inside && call_->may_end(here.at);
    if (fits) here = {phase::after, {}};
    return fits;
  }
  if (here.where == phase::after) {
    const auto& newline = tokens_.newline;
    const bool fits =
        how_.is_parallel && std::find(newline.begin(), newline.end(), token) != newline.end();
    if (fits) here.where = phase::opening;
    return fits;
  }
  const compiled_grammar* grammar = grammar_of(here);
  const std::string_view bytes = call_->words().bytes(token);
  if (grammar == nullptr || bytes.empty() || !grammar->accept(here.at, bytes)) return false;
  if (here.where == phase::either) here.where = phase::text;
  return true;
}

void tool_call_grammar::fill(const place& here, std::span<std::uint32_t> mask) const {
  if (const compiled_grammar* grammar = grammar_of(here)) {
    const bool ends = grammar->fill(here.at, mask);
    if (ends && here.where == phase::inside) set_bit(mask, tokens_.close);
  } else {
    std::fill(mask.begin(), mask.end(), 0);
  }
  if (may_open(here)) set_bit(mask, tokens_.open);
  if (here.where == phase::after && how_.is_parallel) {
    for (const token_id token : tokens_.newline) set_bit(mask, token);
  }
  call_->allow_eos(mask, may_end(here));
}

std::vector<token_id> tool_call_grammar::forced_tokens(const place& here) const {
  if (here.where == phase::inside) return call_->forced_tokens(here.at);
  if (here.where != phase::opening) return {};
  std::vector<token_id> tokens{tokens_.open};
  const std::vector<token_id> head = call_->forced_tokens(call_->begin());
  tokens.insert(tokens.end(), head.begin(), head.end());
  return tokens;
}

std::size_t tool_call_grammar::num_bytes() const {
  return sizeof(*this) + call_->num_bytes() + (text_ ? text_->num_bytes() : 0);
}

bool tool_call_grammar::is_exhausted() const {
  return call_->is_exhausted() || (text_ && text_->is_exhausted());
}

bool tool_call_grammar::is_finished(const place& here) const {
  if (here.where == phase::text && how_.is_text_alone) {
    return text_->may_end(here.at) && !text_->may_go_on(here.at);
  }
  return here.where == phase::ended || (here.where == phase::after && !how_.is_parallel);
}

grammar_outcome<rule_set> call_rules(language_pool& pool, const std::vector<tool_definition>& tools,
                                     const std::string& only, compile_budget& budget,
                                     std::vector<grammar_note>& warnings) {
  rule_set rules;
  framed_rule frame;
  std::vector<std::pair<std::u32string, language>> names;
  const auto key = [&](std::u32string_view name) {
    return pool.concat(quoted(pool, pool.code_points(name)), pool.bytes_outside(": "));
  };
  for (const tool_definition& tool : tools) {
    if (!only.empty() && tool.name != only) continue;
    std::vector<grammar_note> notes;
    const schema_options options{.strict = tool.strict, .lenient = tool.lenient};
    const auto root = add_schema(pool, rules, tool.parameters, options, budget, notes);
    if (!root) {
      const grammar_refusal& cause = root.error();
      return refuse_grammar(cause.code, "", "tools", "tool " + tool.name + ": " + cause.message());
    }
    for (grammar_note& note : notes) {
      note.reason.insert(0, "tool " + tool.name + ": ");
      warnings.push_back(std::move(note));
    }
    value_rule arguments;  // of all that the schema allows, the objects
    for (const container_index c : rules.values[*root].containers) {
      if (std::holds_alternative<object_rule>(rules.containers[c].what)) {
        arguments.containers.push_back(c);
      }
    }
    if (arguments.containers.empty()) {
      return refuse_grammar(error_code::invalid_argument, "", "tools",
                            "tool " + tool.name + ": its parameters allow no object");
    }
    const auto choice = static_cast<std::uint32_t>(frame.values.size());
    frame.values.push_back(static_cast<value_index>(rules.values.size()));
    rules.values.push_back(std::move(arguments));
    const language rest = pool.concat(
        {pool.bytes_outside("\", "), key(U"arguments"), pool.tag(label::first_choice + choice)});
    names.emplace_back(decode_utf8(tool.name), rest);
  }
  if (names.empty()) {
    return refuse_grammar(error_code::invalid_argument, "", "tools",
                          only.empty() ? "no tool is given" : "there is no tool named " + only);
  }
  frame.heads = pool.concat(
      {pool.bytes_outside("\n{"), key(U"name"), pool.bytes_outside("\""), pool.words(names)});
  frame.tail = pool.concat(pool.bytes_outside("}\n"), pool.tag(label::closed));
  value_rule root;
  root.containers = {static_cast<container_index>(rules.containers.size())};
  rules.containers.push_back({std::move(frame), 1});
  rules.root = static_cast<value_index>(rules.values.size());
  rules.values.push_back(std::move(root));
  return rules;
}

language text_without_tag(language_pool& pool) {
  const language tag = pool.code_points(U"<tool_call>");
  return pool.minus(pool.text(), pool.concat({pool.text(), tag, pool.text()}));
}

}  // namespace troupe::grammar
