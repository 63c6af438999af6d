// What a server answers when nobody else asks: the texts that canaries are compared with.
#pragma once
#include <vector>

#include "core/outcome.hpp"
#include "load/verifier.hpp"
#include "load/worker.hpp"

namespace troupe::load {

// Asks the first `count` conversations of the prompts greedily, one after the other. A failure: the
// server did not answer one of them.
outcome<std::vector<canary>> ask_canaries(const load_setup& setup, std::uint32_t count);

}  // namespace troupe::load
