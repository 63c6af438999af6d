// From the body of a call to its plan: what each API in net/dialects/ provides.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/outcome.hpp"
#include "net/answer_plan.hpp"
#include "net/error_style.hpp"
#include "net/response_store.hpp"
#include "net/service.hpp"

namespace troupe {

struct body_context {
  const service& facts;
  std::string id;            // of the call
  std::string unique;        // 32 hexadecimal digits that nobody can guess: for ids in answers
  std::uint64_t seed = 0;    // for a body that has none
  std::int64_t created = 0;  // Unix time, seconds
  response_store* stored = nullptr;  // what earlier answers left; null: nothing is kept
  std::uint64_t owner = 0;           // of what this call leaves
  // How a refusal will look; a reader that recognises another API's body may change it.
  error_style style = error_style::openai;
};

// Pure but for `stored`: runs on any thread, and is what the fuzzers call.
using body_reader = outcome<answer_plan> (*)(std::string_view body, body_context& context);

}  // namespace troupe
