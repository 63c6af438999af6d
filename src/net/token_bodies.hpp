// The bodies of /tokenize and /detokenize: from request to answer. Pure: may run on any thread.
#pragma once
#include <string>
#include <string_view>

#include "core/outcome.hpp"
#include "net/service.hpp"

namespace troupe {

// {"prompt"} to {"count", "max_model_len", "tokens", "token_strs"}.
outcome<std::string> tokenize_body(std::string_view body, const service& facts);
// {"tokens"} to {"prompt"}.
outcome<std::string> detokenize_body(std::string_view body, const service& facts);

}  // namespace troupe
