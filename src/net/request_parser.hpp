// Bytes become an http_request or a refusal. Beast reads the grammar; what it tolerates and we do
// not is refused here: folded headers, a missing, second or strange Host, transfer codings other
// than chunked, absolute targets, endless framing of chunks. No I/O, no clock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "net/http_message.hpp"

namespace troupe {

struct parser_limits {
  std::size_t max_head_bytes = 8 << 10;  // also of a chunk's size with extensions, of the trailers
  std::size_t max_headers = 100;
  std::uint64_t max_body_bytes = 8 << 20;
};

class request_parser {
 public:
  explicit request_parser(parser_limits limits);
  ~request_parser();

  // Takes what it can use of `bytes` and returns how much; the caller keeps the rest and offers it
  // again with more behind it. Call it with every new byte until `is_done` or `error`.
  std::size_t put(std::string_view bytes);

  bool has_head() const;  // the head is complete, the body may not be
  bool is_done() const;
  // Once set, the connection's framing is lost: answer and close.
  const std::optional<http_error>& error() const;
  // With a 413: how many bytes of the declared body follow what was taken. Whoever skips them keeps
  // the framing. None when nobody can know (chunked), or when the client waits for "100 Continue".
  std::optional<std::uint64_t> num_refused_bytes() const;
  // The head asks for "100 Continue" before its body comes.
  bool expects_continue() const;
  // How much of a body of declared length is still to come; none when its length is not known, or
  // when the client waits for "100 Continue". Once `has_head`.
  std::optional<std::uint64_t> num_missing_bytes() const;
  // What the head says, once `has_head`; without the body.
  const http_request& head() const;
  // That are kept: what frames them is not counted.
  std::size_t num_body_bytes() const;
  // What was read, without trailers; the body is complete once `is_done`.
  http_request take();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe
