// The actors of one engine, wherever it runs: in the server, in a host's own actor system.
#pragma once
#include <caf/all.hpp>

#include <memory>
#include <variant>

#include "actors/grammar_store.hpp"
#include "actors/meter.hpp"
#include "actors/replica.hpp"
#include "actors/request_door.hpp"
#include "actors/request_queue.hpp"
#include "engine/load_model.hpp"

namespace troupe {

// What an actor system needs to know of the cast, and the scheduling that suits it.
caf::actor_system_config make_system_config();

struct house {
  meter observer;
  request_queue queue;
  replica copy;
  grammar_store store;
  request_queue door;  // for requests from other processes; null where none can come
};

// Where the executors come from: runners of this process, or a group of several.
using rank_source = std::variant<runner_factory, rank_group>;

// Every actor holds `presence` (may be null) until it has ended, so that whoever gave it away knows
// when the last one is gone. With `read_grammar` there is a door.
house open_house(caf::actor_system& system, const planned_model& plan,
                 const engine_options& options, rank_source ranks,
                 const std::shared_ptr<void>& presence = nullptr,
                 grammar_reader read_grammar = nullptr);

// Tells all of them to end: what runs ends as failed.
void close_house(const house& actors);

}  // namespace troupe
