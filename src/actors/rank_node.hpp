// One of the processes that share a replica's ranks: makes the runners and executors of its own
// when the group forms, ends them when it dissolves. Never computes, so that its answer to a beat
// says that the process lives.
#pragma once
#include "actors/executor.hpp"
#include "actors/rank_maker.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace troupe {

// A group forms again and again; each time has a number, which only grows.
struct form_ranks {
  std::uint64_t formation = 0;
  std::string token, device_group;  // see rank_meeting
  std::vector<std::string> places;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, form_ranks& x) {
  return f(caf::meta::type_name("form_ranks"), x.formation, x.token, x.device_group, x.places);
}
struct ranks_formed {
  std::vector<executor> executors;  // of this node, by rank
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ranks_formed& x) {
  return f(caf::meta::type_name("ranks_formed"), x.executors);
}
struct dissolve_ranks {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, dissolve_ranks&) {
  return f(caf::meta::type_name("dissolve_ranks"));
}
struct dismiss_node {
  std::string why;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, dismiss_node& x) {
  return f(caf::meta::type_name("dismiss_node"), x.why);
}
struct ranks_loaded {  // house
  rank_factory make;
  caf::actor group;  // whose end is this node's, too; null beside the group itself
};

using rank_node = caf::typed_actor<
    // Once all nodes have come to the same meeting; fails with the reason. One at a time: a later
    // one ends the one before.
    caf::replies_to<form_ranks>::with<ranks_formed>,
    // The executors end, whatever they wait for.
    caf::reacts_to<dissolve_ranks>,
    // At once.
    caf::replies_to<beat>::with<heartbeat>,
    // From now on ranks can be made.
    caf::reacts_to<ranks_loaded>,
    // The group goes on without this node, which may join again.
    caf::reacts_to<dismiss_node>,
    // From its rank_maker.
    caf::reacts_to<ranks_made>>;

struct rank_node_options {
  std::uint32_t first_rank = 0;
  // Called once, on one of CAF's threads, when the group is gone or gave this node up; may be null.
  std::function<void(const std::string& why)> leave;
};

rank_node spawn_rank_node(caf::actor_system& system, rank_node_options options);

}  // namespace troupe
