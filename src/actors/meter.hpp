// Counts what the house observes and renders it for Prometheus.
#pragma once
#include "actors/cast.hpp"
#include "actors/heartbeat.hpp"
#include "actors/observations.hpp"
#include "core/config.hpp"
#include "core/memory_plan.hpp"

#include <caf/all.hpp>

#include <string>

namespace troupe {

struct render {};

using meter = caf::typed_actor<
    // What it is told (actors/observations.hpp).
    caf::reacts_to<queue_observed>, caf::reacts_to<step_observed>, caf::reacts_to<pages_observed>,
    caf::reacts_to<request_observed>, caf::reacts_to<refusal_observed>,
    caf::reacts_to<http_observed>, caf::reacts_to<front_observed>, caf::reacts_to<replica_observed>,
    caf::reacts_to<grammar_observed>, caf::reacts_to<fleet_observed>,
    caf::reacts_to<overload_observed>, caf::reacts_to<log_observed>,
    caf::reacts_to<load_test_observed>,
    // The metrics in Prometheus' text form.
    caf::replies_to<render>::with<std::string>,
    // At once.
    caf::replies_to<beat>::with<heartbeat>>;

meter spawn_meter(caf::actor_system& system, std::string model_name,
                  const engine_limits& limits = {}, const memory_plan& memory = {},
                  std::string device = "cpu");

}  // namespace troupe
