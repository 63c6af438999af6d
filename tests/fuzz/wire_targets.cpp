// What other processes send: replicas and gateways (CAF's binary form), and the frames of
// WebSockets as Beast reads them with our limits.
#include <boost/beast/_experimental/test/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <caf/all.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "actors/cast.hpp"
#include "actors/fleet_member.hpp"
#include "actors/load_report.hpp"
#include "actors/rank_node.hpp"
#include "actors/request_queue.hpp"
#include "actors/token_sink.hpp"
#include "targets.hpp"
#include "text/structured_key.hpp"
#include "text/utf8.hpp"

namespace troupe::test {
namespace {

// What can be read can be sent on, and is read as the same.
template <class T>
void read_value(std::string_view input) {
  T value;
  caf::binary_deserializer in{nullptr, input.data(), input.size()};
  if (in(value)) return;
  std::vector<char> bytes, again;
  caf::binary_serializer out{nullptr, bytes};
  if (out(value)) fail("what was read cannot be sent", input);
  T twice;
  caf::binary_deserializer in_again{nullptr, bytes};
  if (in_again(twice)) fail("what was sent cannot be read", input);
  caf::binary_serializer out_again{nullptr, again};
  if (out_again(twice)) fail("what was read cannot be sent", input);
  if (bytes.size() != again.size()) fail("a message changes", input);
}

// The first byte says which message it is.
void run_wire(std::string_view input) {
  static constexpr std::array readers{&read_value<generation_request>,
                                      &read_value<tokens_ready>,
                                      &read_value<finished>,
                                      &read_value<load_report>,
                                      &read_value<step_observed>,
                                      &read_value<pages_observed>,
                                      &read_value<drain>,
                                      &read_value<cancel>,
                                      &read_value<failure>,
                                      &read_value<retire>,
                                      &read_value<accepted>,
                                      &read_value<step_batch>,
                                      &read_value<step_masks>,
                                      &read_value<step_done>,
                                      &read_value<form_ranks>,
                                      &read_value<heartbeat>};
  if (input.empty()) return;
  auto which = static_cast<unsigned char>(input.front()) % readers.size();
  readers.at(which)(input.substr(1));
}

// How a constraint travels to a replica: the text that names it.
void run_grammar_key(std::string_view input) {
  auto ask = read_canonical_key(std::string(input));
  if (!is_taken(ask, input)) return;
  auto key = canonical_key(*ask);
  auto again = read_canonical_key(key);
  if (!again || canonical_key(*again) != key) fail("a grammar's name changes", key);
}

namespace beast = boost::beast;
using socket_stream = beast::websocket::stream<beast::test::stream>;

void run_websocket(std::string_view input) {
  constexpr std::size_t most = 1000;
  boost::asio::io_context io;
  socket_stream server{io};
  auto client = beast::test::connect(server.next_layer());
  server.read_message_max(most);
  server.text(true);
  beast::http::request<beast::http::string_body> upgrade{beast::http::verb::get, "/ws", 11};
  upgrade.set("Host", "h");
  upgrade.set("Connection", "Upgrade");
  upgrade.set("Upgrade", "websocket");
  upgrade.set("Sec-WebSocket-Version", "13");
  upgrade.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  boost::system::error_code why;
  server.accept(upgrade, why);
  if (why) fail("a right upgrade is refused", why.message());
  server.next_layer().append(beast::string_view(input.data(), input.size()));
  client.close();
  while (!why) {
    beast::flat_buffer message;
    server.read(message, why);
    if (why) break;
    std::string_view text{static_cast<const char*>(message.data().data()), message.size()};
    if (text.size() > most) fail("a message beyond the limit", text);
    if (server.got_text() && !is_utf8(text)) fail("a text that is none", text);
  }
}

}  // namespace

std::span<const fuzz_target> wire_targets() {
  static constexpr std::array table{
      fuzz_target{"wire", &run_wire},
      fuzz_target{"grammar_key", &run_grammar_key},
      fuzz_target{"websocket", &run_websocket},
  };
  return table;
}

}  // namespace troupe::test
