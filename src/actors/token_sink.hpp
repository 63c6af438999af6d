// A role, not an actor: whoever reads the tokens of one request (an HTTP session, a test).
#pragma once
#include "actors/cast.hpp"
#include "actors/wire.hpp"
#include "core/request.hpp"

#include <caf/all.hpp>

#include <string>
#include <vector>

namespace troupe {

struct tokens_ready {
  request_id request;
  std::vector<sampled_token> tokens;  // never empty, in the order of the answer
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tokens_ready& x) {
  return f(caf::meta::type_name("tokens_ready"), x.request, x.tokens);
}

struct finished {
  request_id request;
  finish_reason why = finish_reason::failed;
  token_usage usage;
  failure error;  // only with failed and timed_out
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, finished& x) {
  return f(caf::meta::type_name("finished"), x.request, x.why, x.usage, x.error);
}

using token_sink = caf::typed_actor<
    // Zero or more times; the token that ended the answer (eos) is among them.
    caf::reacts_to<tokens_ready>,
    // Then exactly once.
    caf::reacts_to<finished>>;

}  // namespace troupe
