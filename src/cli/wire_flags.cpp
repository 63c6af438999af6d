#include "cli/wire_flags.hpp"

#include <CLI/CLI.hpp>

#include "cli/serve_options.hpp"

namespace troupe {

void add_wire_flags(CLI::App* app, serve_options& o) {
  const auto* group = "TLS and WebSocket";
  auto* cert = app->add_option("--tls-cert", o.tls_cert,
                               "Certificate and its chain; with it the port speaks TLS only")
                   ->type_name("PEM_FILE")
                   ->group(group);
  auto* key = app->add_option("--tls-key", o.tls_key, "The certificate's private key")
                  ->type_name("PEM_FILE")
                  ->group(group);
  cert->needs(key);
  key->needs(cert);
  app->add_flag("--websocket-compression", o.websocket_compression,
                "Offer permessage-deflate (default: off)")
      ->group(group);
  app->add_option("--max-generations-per-connection", o.max_generations_per_connection,
                  "On one WebSocket at a time")
      ->check(CLI::Range(1U, 65536U))
      ->capture_default_str()
      ->group(group);
}

}  // namespace troupe
