#include <fcntl.h>

#include "cli/command_line.hpp"

namespace {

// A stream that was closed before us must not become a socket that is written a log.
void fill_standard_streams() {
  for (int stream = 0; stream <= 2; ++stream)
    // Writing fails, as it does to a closed one.
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", O_RDONLY);
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_streams();
  return troupe::run_command_line(argc, argv);
}
