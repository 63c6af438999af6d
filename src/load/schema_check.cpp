#include "load/schema_check.hpp"

#include <memory>
#include <mutex>
#include <stdexcept>

#include "text/grammar/compile_budget.hpp"
#include "text/grammar/parser.hpp"
#include "text/grammar/schema_rules.hpp"

namespace troupe::load {
namespace {

class schema_machine {
 public:
  schema_machine(std::unique_ptr<grammar::language_pool> pool, grammar::rule_set rules)
      : machine_(std::move(pool), std::move(rules)) {}

  std::string check(std::string_view answer) {
    if (auto json = parse_json(answer); !json) return "no JSON: " + json.error().message;
    std::lock_guard guard(lock_);
    try {
      auto at = machine_.start();
      for (std::size_t i = 0; i < answer.size(); ++i) {
        at = machine_.step(at, answer[i]);
        if (at.threads.empty() && !at.may_end)
          return "against the schema at byte " + std::to_string(i);
      }
      return machine_.may_end(at) ? "" : "the schema asks for more";
    } catch (const std::length_error&) {
      return "the answer has too many readings to be checked";
    }
  }

 private:
  std::mutex lock_;  // the machine's tables grow while it runs
  grammar::parser machine_;
};

}  // namespace

outcome<verifier::schema_check> make_schema_check(const json_value& schema) {
  grammar::compile_budget budget;
  auto pool = std::make_unique<grammar::language_pool>();
  pool->set_budget(&budget);
  grammar::rule_set rules;
  schema_options options;
  options.whitespace = schema_options::blanks::any;
  rules.blanks = static_cast<grammar::whitespace>(options.whitespace);
  std::vector<grammar_note> warnings;
  auto root = grammar::add_schema(*pool, rules, schema, options, budget, warnings);
  pool->set_budget(nullptr);
  if (!root)
    return failure{root.error().code, "the schema cannot be checked: " + root.error().message(),
                   "schema"};
  rules.root = *root;
  auto machine = std::make_shared<schema_machine>(std::move(pool), std::move(rules));
  return verifier::schema_check(
      [machine](std::string_view answer) { return machine->check(answer); });
}

}  // namespace troupe::load
