// POST /v1/completions: OpenAI's text completions.
#pragma once
#include <string_view>

#include "net/body_reader.hpp"

namespace troupe {

outcome<answer_plan> read_completions_body(std::string_view body, body_context& context);

}  // namespace troupe
