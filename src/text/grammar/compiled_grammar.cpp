#include "text/grammar/compiled_grammar.hpp"

#include "text/utf8.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

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
    if (has_ended_) std::fill(mask.begin(), mask.end(), 0);
    grammar_->allow_eos(mask, has_ended_ || grammar_->fill(at_, mask));
  }

  std::vector<token_id> forced_tokens() const override {
    return has_ended_ ? std::vector<token_id>() : grammar_->forced_tokens(at_);
  }

  bool is_finished() const override {
    return has_ended_ || (grammar_->may_end(at_) && !grammar_->may_go_on(at_));
  }

 private:
  std::shared_ptr<const compiled_grammar> grammar_;
  thread_set at_;
  bool has_ended_ = false;
};

// The length of the text without a character that is cut at its end.
std::size_t whole_characters(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0 && is_utf8_continuation(text[begin - 1])) --begin;
  if (begin > 0 && !is_utf8(text.substr(begin - 1))) return begin - 1;
  return text.size();
}

}  // namespace

compiled_grammar::compiled_grammar(std::shared_ptr<const vocabulary> words,
                                   std::vector<token_id> eos, std::unique_ptr<language_pool> pool,
                                   rule_set rules)
    : words_(std::move(words)),
      eos_(std::move(eos)),
      machine_(std::move(pool), std::move(rules), words_->max_token_bytes()) {}

std::unique_ptr<constraint_state> compiled_grammar::start() const {
  return std::make_unique<grammar_state>(shared_from_this(), begin());
}

std::optional<std::string> compiled_grammar::warm() const {
  const std::lock_guard guard(lock_);
  mask_words mask(words_->num_mask_words());
  masks_.fill(machine_.start(), mask);
  return find_trouble();
}

std::optional<std::string> compiled_grammar::find_trouble() const {
  if (machine_.pool().is_exhausted()) return "its states take more memory than a grammar may";
  const bool has_lost_way = machine_.has_lost_way() || masks_.has_lost_way();
  machine_.forget_lost_way();
  masks_.forget_lost_way();
  if (has_lost_way) return "it reads a text in more ways than can be followed";
  return std::nullopt;
}

void compiled_grammar::check() const {
  if (const auto trouble = find_trouble())
    throw std::length_error("the grammar failed: " + *trouble);
}

thread_set compiled_grammar::begin() const {
  const std::lock_guard guard(lock_);
  thread_set out = machine_.start();
  check();
  return out;
}

bool compiled_grammar::accept(thread_set& at, std::string_view bytes) const {
  const std::lock_guard guard(lock_);
  masks_.forget_when_large();
  thread_set next = at;
  while (!bytes.empty()) {
    bytes.remove_prefix(machine_.skip(next, bytes));
    if (!bytes.empty()) {
      next = machine_.step(next, bytes[0]);
      bytes.remove_prefix(1);
    }
    check();
    if (next.threads.empty()) return false;
  }
  at = std::move(next);
  return true;
}

bool compiled_grammar::may_end(const thread_set& at) const {
  const std::lock_guard guard(lock_);
  const bool ends = machine_.may_end(at);
  check();
  return ends;
}

bool compiled_grammar::has_next(const thread_set& at) const {
  const thread_set here = machine_.reach(at);
  for (int byte = 0; byte < 256; ++byte) {
    if (!machine_.take(here, static_cast<char>(byte)).threads.empty()) return true;
  }
  return false;
}

bool compiled_grammar::may_go_on(const thread_set& at) const {
  const std::lock_guard guard(lock_);
  const bool goes_on = has_next(at);
  check();
  return goes_on;
}

bool compiled_grammar::fill(const thread_set& at, std::span<std::uint32_t> mask) const {
  const std::size_t width = words_->num_mask_words();
  std::fill(mask.begin() + static_cast<std::ptrdiff_t>(width), mask.end(), 0);
  const std::lock_guard guard(lock_);
  masks_.forget_when_large();
  const bool ends = masks_.fill(at, mask.first(width));
  check();
  return ends;
}

// Eos ends the answer even if it is spelled like text.
void compiled_grammar::allow_eos(std::span<std::uint32_t> mask, bool is_allowed) const {
  for (const token_id token : eos_) {
    if (is_allowed) {
      set_bit(mask, token);
    } else {
      clear_bit(mask, token);
    }
  }
}

// Moves `at` along the only way there is.
std::string compiled_grammar::force(thread_set& at) const {
  constexpr std::size_t max_bytes = 1'024;
  std::string out;
  while (out.size() < max_bytes) {
    const std::optional<char> only = machine_.only_byte(at);
    check();
    if (!only) break;
    thread_set next = machine_.step(at, *only);
    check();
    if (next.threads.empty()) break;
    at = std::move(next);
    out += *only;
  }
  return out;
}

std::string compiled_grammar::forced_bytes(const thread_set& at) const {
  const std::lock_guard guard(lock_);
  thread_set here = at;
  return force(here);
}

std::vector<token_id> compiled_grammar::forced_tokens(const thread_set& at) const {
  std::string text;
  bool is_last = false;
  {
    const std::lock_guard guard(lock_);
    const bool is_certain = machine_.only_byte(at).has_value();
    check();
    if (!is_certain) return {};  // as nearly everywhere
    thread_set here = at;
    text = force(here);
    is_last = machine_.may_end(here) && !has_next(here);
    check();
  }
  const std::size_t whole = whole_characters(text);
  std::vector<token_id> tokens = words_->encode(std::string_view(text).substr(0, whole));
  if (!tokens.empty() && !(is_last && whole == text.size())) tokens.pop_back();
  // A text within a character or out of normal form has no tokens that spell it.
  std::size_t length = 0;
  for (const token_id token : tokens) {
    const std::string_view bytes = words_->bytes(token);
    if (bytes.empty() || !std::string_view(text).substr(length).starts_with(bytes)) return {};
    length += bytes.size();
  }
  return tokens;
}

bool compiled_grammar::is_exhausted() const {
  const std::lock_guard guard(lock_);
  return machine_.pool().is_exhausted();
}

std::size_t compiled_grammar::num_bytes() const {
  const std::lock_guard guard(lock_);
  return sizeof(*this) + machine_.num_bytes() + masks_.num_bytes();
}

}  // namespace troupe::grammar
