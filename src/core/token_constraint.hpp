// What an answer must look like, as the engine sees it: which tokens may come next. A grammar
// (text/) is behind it; nothing here knows of text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/id.hpp"

namespace troupe {

// One answer's place in its grammar. A value type in spirit: `clone` is cheap.
class constraint_state {
 public:
  virtual ~constraint_state() = default;
  virtual std::unique_ptr<constraint_state> clone() const = 0;
  // Moves past `token`; false and unchanged when the token may not stand here.
  virtual bool accept(token_id token) = 0;
  // Sets the bit of every token that may come next: [ceil(vocab_size / 32)], bit i of word i / 32.
  // Eos tokens are among them exactly when the answer may end here.
  virtual void fill_mask(std::span<std::uint32_t> mask) const = 0;
  // The tokens that come next when the text ahead is certain, in the tokenizer's own cut; mostly
  // none, and never eos. A function of this place alone: an answer that takes them (all at once, at
  // every place that has some) depends on no schedule.
  virtual std::vector<token_id> forced_tokens() const = 0;
  // The answer is whole and nothing but eos may follow.
  virtual bool is_finished() const = 0;
};

// A compiled grammar; immutable, shared among the answers that it binds and their threads.
class token_constraint {
 public:
  virtual ~token_constraint() = default;
  virtual std::unique_ptr<constraint_state> start() const = 0;
  // What it holds by itself, tables that grow while it is used included.
  virtual std::size_t num_bytes() const = 0;
  // Its tables took all the memory that they may: answers with it fail from now on.
  virtual bool is_exhausted() const { return false; }
};

using token_constraint_ptr = std::shared_ptr<const token_constraint>;

}  // namespace troupe
