// The fields that generating APIs have in common: how tokens are chosen, when an answer stops. What
// is wrong stays in the fields.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "core/outcome.hpp"
#include "core/request.hpp"
#include "net/body_fields.hpp"
#include "net/service.hpp"
#include "text/detokenizer.hpp"

namespace troupe {

inline constexpr std::int64_t max_runs = 16;     // answers to one prompt
inline constexpr std::size_t max_answers = 128;  // of one call

struct sampling_names {
  std::string_view max_tokens = "max_tokens";
  std::string_view min_tokens = "min_tokens";
  std::string_view prompt = "prompt";
};

// All of sampling_params but the logprobs; `max_tokens` is 0 where the body has none. `seed` is
// taken where the body has none.
sampling_params read_sampling(body_fields& fields, const service& facts, std::uint64_t seed,
                              const sampling_names& names = {});
// A number of alternatives, or a boolean: true asks for the chosen tokens' only. -1: none.
std::int32_t read_logprobs(body_fields& fields, std::string_view name = "logprobs");
// stop, skip_special_tokens, include_stop_str_in_output.
detokenizer_options read_text_options(body_fields& fields);
std::int32_t read_priority(body_fields& fields);
// Refuses a "model" that is not the one served.
void check_model(body_fields& fields, const service& facts);

// Once the prompt is there: an absent max_tokens becomes `absent`, or what the context still holds;
// refuses what can never run.
inline constexpr std::uint32_t rest_of_context = std::numeric_limits<std::uint32_t>::max();
refusal settle(generation_request& request, const service& facts, std::uint32_t absent,
               const sampling_names& names = {});

}  // namespace troupe
