// Makes the runners of a process's ranks on a thread of its own, where it waits for the ranks of
// the other processes; its node answers meanwhile.
#pragma once
#include "actors/cast.hpp"
#include "core/outcome.hpp"
#include "model/runner.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe {

struct ranks_made {  // house
  std::uint64_t formation = 0;
  // By rank, of this process. Shared, so that a message that nobody takes frees them.
  outcome<std::vector<std::shared_ptr<runner>>> devices = std::vector<std::shared_ptr<runner>>{};
};

// A role: whoever had them made.
using rank_listener = caf::typed_actor<caf::reacts_to<ranks_made>>;

struct make_ranks {  // house
  std::uint64_t formation = 0;
  rank_meeting meeting;
  rank_listener listener;
};

using rank_maker = caf::typed_actor<
    // Ends with ranks_made to the listener. Whoever sets the meeting's is_aborted ends the wait.
    caf::reacts_to<make_ranks>>;

rank_maker spawn_rank_maker(caf::local_actor* parent, rank_factory make);

}  // namespace troupe
