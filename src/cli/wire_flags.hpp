// The flags of `troupe serve` for TLS and WebSockets.
#pragma once

namespace CLI {
class App;
}

namespace troupe {

struct serve_options;

void add_wire_flags(CLI::App* app, serve_options& o);

}  // namespace troupe
