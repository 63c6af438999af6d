// The body of POST /generate as a value, or a refusal that names the field and what was expected.
// Pure: may run on any thread.
#pragma once
#include <cstdint>
#include <string_view>

#include "core/outcome.hpp"
#include "core/request.hpp"
#include "net/body_fields.hpp"
#include "net/service.hpp"
#include "text/detokenizer.hpp"

namespace troupe {

struct generation_job {
  generation_request request;  // without id, times and cache salt
  detokenizer_options text;
  bool stream = false;
};

// `seed` is taken where the body has none.
outcome<generation_job> read_generate_body(std::string_view body, const service& facts,
                                           std::uint64_t seed);

// The fields that every generating route has. What is wrong stays in `fields`.
sampling_params read_sampling(body_fields& fields, const service& facts, std::uint64_t seed);

// A seed for the request of that number: the same server with the same seed draws the same ones.
std::uint64_t draw_seed(std::uint64_t server_seed, request_id number);

}  // namespace troupe
