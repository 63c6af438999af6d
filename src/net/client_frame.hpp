// What a client says on /ws (docs/websocket.md), read from its text. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/outcome.hpp"

namespace troupe {

struct generate_frame {
  std::string id;
  std::string path;
  std::string body;  // JSON, with "stream": true
  std::optional<std::uint64_t> credit;
};

struct credit_frame {
  std::string id;
  std::uint64_t num_frames = 0;
};

struct cancel_frame {
  std::string id;
};

struct ping_frame {
  std::string id;  // JSON: it may be anything
};

using client_frame = std::variant<generate_frame, credit_frame, cancel_frame, ping_frame>;

struct frame_reading {
  outcome<client_frame> frame;
  std::string id;  // of a generate frame, also of one that is refused; empty if it has no sane one
};

frame_reading read_client_frame(std::string_view text);

}  // namespace troupe
