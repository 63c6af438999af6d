// The request_queue as other processes see it: takes what travelled, makes the constraint that
// could not travel, hands over to the queue of this process and passes the answers on.
#pragma once
#include "actors/grammar_store.hpp"
#include "actors/request_queue.hpp"

#include <caf/all.hpp>

#include <functional>
#include <string>

namespace troupe {

using request_door = caf::typed_actor<
    // As request_queue; ids are the callers' and must differ, so a used one is refused. The
    // requests of a reader whose process is lost are cancelled.
    caf::replies_to<submit>::with<accepted>, caf::reacts_to<cancel>,
    caf::replies_to<take>::with<taken>, caf::reacts_to<take_back>, caf::reacts_to<drain>,
    caf::reacts_to<reopen>, caf::replies_to<beat>::with<heartbeat>, caf::reacts_to<tick>,
    // token_sink of what it handed over
    caf::reacts_to<tokens_ready>, caf::reacts_to<finished>>;

// Reads `generation_request::grammar_text`.
using grammar_reader = std::function<outcome<grammar_source_ptr>(const std::string&)>;

struct door_parts {
  request_queue queue;
  grammar_store store;
  grammar_reader read_grammar;
};

request_door spawn_request_door(caf::actor_system& system, door_parts parts);

}  // namespace troupe
