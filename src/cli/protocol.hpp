// `troupe serve --protocol`: every actor and the messages it answers, from the running system.
#pragma once
#include <iosfwd>

namespace troupe {

void print_protocol(std::ostream& out);

}  // namespace troupe
