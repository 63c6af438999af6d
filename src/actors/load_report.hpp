// What a replica tells its fleet, and how it travels.
#pragma once
#include "actors/observations.hpp"
#include "actors/wire.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct load_report {
  replica_id replica;
  bool ready = false;
  std::string reason;                // why it is not ready
  std::uint32_t num_restarts = 0;    // of its parts
  std::uint32_t num_waiting = 0;     // in the queue of its process
  std::vector<step_observed> steps;  // since the last report, in their order
  pages_observed pages;              // as it is now, with the prefixes since the last report
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, load_report& x) {
  return f(caf::meta::type_name("load_report"), x.replica, x.ready, x.reason, x.num_restarts,
           x.num_waiting, x.steps, x.pages);
}

}  // namespace troupe
