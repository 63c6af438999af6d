// Which messages every actor answers, asked of the running system: what `--protocol` prints and the
// table in ARCHITECTURE.md is tested against.
#pragma once
#include <caf/all.hpp>
#include <string>
#include <vector>

namespace troupe {

struct actor_protocol {
  std::string actor;
  std::vector<std::string> messages;  // "submit -> accepted", "cancel"; sorted
};

std::vector<actor_protocol> list_protocols(const caf::actor_system& system);

}  // namespace troupe
