#include "cli/protocol.hpp"

#include <ostream>

#include "actors/cast.hpp"
#include "actors/protocol.hpp"

namespace troupe {

void print_protocol(std::ostream& out) {
  caf::actor_system_config config;
  enroll_cast(config);
  caf::actor_system system{config};
  for (auto& protocol : list_protocols(system)) {
    out << protocol.actor << '\n';
    for (auto& message : protocol.messages) out << "  " << message << '\n';
  }
}

}  // namespace troupe
