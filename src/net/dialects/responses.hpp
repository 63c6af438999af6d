// POST /v1/responses: OpenAI's Responses API. Answers are kept (net/response_store.hpp), so that a
// later request can go on from one by `previous_response_id`.
#pragma once
#include <string_view>

#include "net/body_reader.hpp"

namespace troupe {

outcome<answer_plan> read_responses_body(std::string_view body, body_context& context);

}  // namespace troupe
