#include "text/grammar/compiled_grammar.hpp"

#include <algorithm>
#include <array>

namespace troupe::grammar {
namespace {

class grammar_state : public constraint_state {
 public:
  grammar_state(std::shared_ptr<const compiled_grammar> grammar, thread_set at)
      : grammar_(std::move(grammar)), at_(std::move(at)) {}

  std::unique_ptr<constraint_state> clone() const override {
    return std::make_unique<grammar_state>(*this);
  }

  bool accept(token_id token) override {
    const auto& eos = grammar_->eos();
    if (std::find(eos.begin(), eos.end(), token) != eos.end()) {
      if (!has_ended_ && !grammar_->may_end(at_)) return false;
      has_ended_ = true;
      return true;
    }
    const std::string_view bytes = grammar_->words().bytes(token);
    return !has_ended_ && !bytes.empty() && grammar_->accept(at_, bytes);
  }

  void fill_mask(std::span<std::uint32_t> mask) const override {
    std::fill(mask.begin(), mask.end(), 0);
    if (!has_ended_) grammar_->fill(at_, mask);
    if (!has_ended_ && !grammar_->may_end(at_)) return;
    for (const token_id token : grammar_->eos()) set_bit(mask, token);
  }

  bool is_finished() const override {
    return has_ended_ || (grammar_->may_end(at_) && !grammar_->may_go_on(at_));
  }

 private:
  std::shared_ptr<const compiled_grammar> grammar_;
  thread_set at_;
  bool has_ended_ = false;
};

}  // namespace

compiled_grammar::compiled_grammar(std::shared_ptr<const vocabulary> words,
                                   std::vector<token_id> eos, std::unique_ptr<language_pool> pool,
                                   rule_set rules)
    : words_(std::move(words)), eos_(std::move(eos)), machine_(std::move(pool), std::move(rules)) {}

std::unique_ptr<constraint_state> compiled_grammar::start() const {
  return std::make_unique<grammar_state>(shared_from_this(), begin());
}

thread_set compiled_grammar::begin() const {
  const std::lock_guard guard(lock_);
  return machine_.start();
}

bool compiled_grammar::accept(thread_set& at, std::string_view bytes) const {
  const std::lock_guard guard(lock_);
  thread_set next = at;
  for (const char byte : bytes) {
    next = machine_.step(next, byte);
    if (next.threads.empty()) return false;
  }
  at = std::move(next);
  return true;
}

bool compiled_grammar::may_end(const thread_set& at) const {
  const std::lock_guard guard(lock_);
  return machine_.may_end(at);
}

bool compiled_grammar::has_next(const thread_set& at) const {
  for (int byte = 0; byte < 256; ++byte) {
    if (!machine_.step(at, static_cast<char>(byte)).threads.empty()) return true;
  }
  return false;
}

bool compiled_grammar::may_go_on(const thread_set& at) const {
  const std::lock_guard guard(lock_);
  return has_next(at);
}

void compiled_grammar::fill(const thread_set& at, std::span<std::uint32_t> mask) const {
  const std::lock_guard guard(lock_);
  masks_.fill(at, mask.first(words_->num_mask_words()));
}

std::string compiled_grammar::forced_bytes(const thread_set& at) const {
  const std::lock_guard guard(lock_);
  constexpr std::size_t max_bytes = 1'024;
  std::string out;
  thread_set here = at;
  while (out.size() < max_bytes && !machine_.may_end(here)) {
    thread_set only;
    char forced = 0;
    int choices = 0;
    for (int byte = 0; byte < 256 && choices < 2; ++byte) {
      thread_set next = machine_.step(here, static_cast<char>(byte));
      if (next.threads.empty()) continue;
      ++choices;
      forced = static_cast<char>(byte);
      only = std::move(next);
    }
    if (choices != 1) break;
    out += forced;
    here = std::move(only);
  }
  return out;
}

}  // namespace troupe::grammar
