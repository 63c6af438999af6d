// POST /generate as SGLang takes it: "text" or "input_ids", and "sampling_params".
#pragma once
#include "net/body_reader.hpp"
#include "text/json.hpp"

namespace troupe {

// One answer is an object, several are a list; in a stream the text is cumulative.
outcome<answer_plan> read_sglang(const json_value& body, const body_context& context);

}  // namespace troupe
