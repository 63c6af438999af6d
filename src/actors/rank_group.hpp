// The processes that share a replica's ranks: lets them join, notices the lost ones, starts those
// that are its own, brings all ranks together when the replica asks. It touches no step.
#pragma once
#include "actors/rank_node.hpp"
#include "actors/replica_process.hpp"
#include "core/node_roster.hpp"
#include "core/restart_backoff.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct join_group {
  std::string secret;
  group_terms terms;
  std::uint32_t number = 0;  // which node it is
  std::string host;
  rank_node who;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, join_group& x) {
  return f(caf::meta::type_name("join_group"), x.secret, x.terms, x.number, x.host, x.who);
}
struct group_joined {
  std::uint32_t num_pages = 0;  // KV pages of every rank
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, group_joined& x) {
  return f(caf::meta::type_name("group_joined"), x.num_pages);
}
struct node_loaded {
  std::uint32_t number = 0;
  std::string place;  // where its ranks are met, HOST:PORT
  rank_node who;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, node_loaded& x) {
  return f(caf::meta::type_name("node_loaded"), x.number, x.place, x.who);
}

// Runs a process with that number.
using node_launcher = std::function<outcome<std::unique_ptr<replica_process>>(std::uint32_t)>;
struct open_group {  // house
  node_launcher launch;
};

struct group_changed {  // house
  std::uint32_t num_ranks = 0, num_ranks_present = 0;
  std::string missing;  // who, in words; empty: nobody
};
struct ranks_lost {  // house
  std::uint64_t formation = 0;
  std::string why;
};
// A role: whose ranks they are.
using group_listener = caf::typed_actor<
    // Who is here, again and again.
    caf::reacts_to<group_changed>,
    // A formation that was answered has ended.
    caf::reacts_to<ranks_lost>>;

struct form_group {  // house
  group_listener listener;
};
struct group_formed {  // house
  std::uint64_t formation = 0;
  std::vector<executor> executors;  // by rank
};
struct dissolve_group {};  // house

using rank_group = caf::typed_actor<
    // A process with other ranks. Refused: another secret, other terms, a number that is taken.
    caf::replies_to<join_group>::with<group_joined>,
    // It has read its weights.
    caf::reacts_to<node_loaded>,
    // From now on the other nodes are started here.
    caf::reacts_to<open_group>,
    // Once all nodes are here and their ranks have met, however long that takes. Ends what was
    // formed before.
    caf::replies_to<form_group>::with<group_formed>,
    // The ranks end; who asked to form them hears no more of it.
    caf::reacts_to<dissolve_group>, caf::reacts_to<tick>>;

struct group_options {
  std::uint32_t num_nodes = 2, ranks_per_node = 1;
  std::uint32_t num_pages = 0;
  std::string secret;
  group_terms terms;
  std::string place;                            // where node 0's ranks are met
  std::chrono::milliseconds silence{1'500};     // and a node is lost
  std::chrono::milliseconds form_pause{1'000};  // after ranks that did not meet
  restart_options restarts{.stable_after = std::chrono::milliseconds{2'000}};
  std::function<std::string()> draw_token;                    // [meeting_token_bytes]
  std::function<outcome<std::string>()> make_device_group;    // null: the device needs none
  std::function<void(bool is_bad, const std::string&)> tell;  // people; may be null
};

// `first` is node 0, of this process.
rank_group spawn_rank_group(caf::actor_system& system, group_options options, rank_node first);

}  // namespace troupe
