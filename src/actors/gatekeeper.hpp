// Remembers how often each client came and how many tokens it used; sessions ask before they let a
// request in. Without limits nobody asks.
#pragma once
#include "actors/cast.hpp"
#include "core/rate_limiter.hpp"
#include "core/token_budget.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe {

struct ask_passage {
  std::string client;  // an address, or the name of an API key
  rate_limit limit;
};
struct passage {
  bool is_open = false;
  std::chrono::milliseconds delay{0};        // open: to wait before going on
  std::chrono::milliseconds retry_after{0};  // closed: when it would be open
};
struct charge_tokens {
  std::string client;
  std::int64_t per_minute = 0;
  std::int64_t num_tokens = 0;
};
struct tokens_charged {
  bool is_granted = false;
  std::chrono::milliseconds retry_after{0};
};
struct return_tokens {
  std::string client;
  std::int64_t per_minute = 0;
  std::int64_t num_tokens = 0;
};

using gatekeeper = caf::typed_actor<
    // Counts the request unless it is refused.
    caf::replies_to<ask_passage>::with<passage>,
    // All of the tokens or none.
    caf::replies_to<charge_tokens>::with<tokens_charged>,
    // The part of a charge that was not used.
    caf::reacts_to<return_tokens>>;

gatekeeper spawn_gatekeeper(caf::actor_system& system);

}  // namespace troupe
