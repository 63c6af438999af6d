// What /health and /ready answer, decided from what the house said.
#pragma once
#include <string>

#include "actors/heartbeat.hpp"
#include "actors/replica.hpp"
#include "core/outcome.hpp"

namespace troupe {

// Asked a moment before `now`; a failure is an actor that is gone or silent.
struct house_state {
  outcome<replica_status> copy;
  outcome<heartbeat> observer;
  outcome<heartbeat> store;
  std::string device = "cpu";  // in words
  bool is_draining = false;
  steady_time now{};
};

struct health_report {
  bool is_well = false;
  std::string body;  // JSON: status, reason, and every part by its name
};

// Can this process still help, or must another take its place: a long step is no death, and a
// replica that restarts its parts lives.
health_report judge_life(const house_state& house);
// Should requests be sent here now.
health_report judge_readiness(const house_state& house);

}  // namespace troupe
