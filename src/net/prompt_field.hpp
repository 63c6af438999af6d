// A prompt as clients give it: text or token ids, one or several.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/id.hpp"
#include "net/body_fields.hpp"
#include "net/service.hpp"

namespace troupe {

struct given_prompt {
  std::string text;           // empty when ids were given
  std::vector<token_id> ids;  // empty when text was given
};

// A string, a list of token ids, or a list of either; what is wrong stays in `fields`. Required.
std::vector<given_prompt> read_prompts(body_fields& fields, std::string_view name,
                                       const service& facts);
// [num_prompt_tokens]
std::vector<token_id> encode(const given_prompt& prompt, const service& facts);
// The text that an answer with `echo` begins with.
std::string text_of(const given_prompt& prompt, const service& facts);

}  // namespace troupe
