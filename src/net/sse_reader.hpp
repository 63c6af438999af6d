// Server-sent events from bytes in any cut, by the rules of WHATWG's HTML standard (9.2.6): lines
// end with CR, LF or both, a byte order mark may come first, what no blank line ends is no event.
#pragma once
#include "core/outcome.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct sse_event {
  std::string type = "message";
  std::string data;     // its lines joined with LF
  std::string last_id;  // of this event or the last one before it that had one
};

class sse_reader {
 public:
  // Refuses streams with longer lines or events.
  explicit sse_reader(std::size_t max_event_bytes = std::size_t{16} << 20U)
      : max_event_bytes_(max_event_bytes) {}

  // Appends the events that these bytes complete. After a refusal the stream is of no use.
  refusal push(std::string_view bytes, std::vector<sse_event>& out);

  // How long to wait before connecting again, if the server said so.
  std::optional<std::chrono::milliseconds> retry() const { return retry_; }

 private:
  void end_line(std::vector<sse_event>& out);
  void set_field(std::string_view name, std::string_view value);
  void dispatch(std::vector<sse_event>& out);

  std::size_t max_event_bytes_;
  std::string line_, type_, data_, last_id_;
  std::optional<std::chrono::milliseconds> retry_;
  bool is_first_line_ = true;
  bool after_cr_ = false;  // a LF that comes now belongs to the CR before it
};

}  // namespace troupe
