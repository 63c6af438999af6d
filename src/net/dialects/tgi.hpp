// POST /generate and /generate_stream as text-generation-inference takes them: "inputs" and
// "parameters".
#pragma once
#include <string_view>

#include "net/body_reader.hpp"
#include "text/json.hpp"

namespace troupe {

// Streamed: one event a token, the text and the details with the last one.
outcome<answer_plan> read_tgi(const json_value& body, const body_context& context);
// The body of /generate_stream.
outcome<answer_plan> read_tgi_stream_body(std::string_view body, body_context& context);

}  // namespace troupe
