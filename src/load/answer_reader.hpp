// What an answer says, from its bytes as they come: its text, its usage, its times, and whether it
// is one at all.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "load/request_form.hpp"
#include "net/sse_reader.hpp"
#include "text/json.hpp"

namespace troupe::load {

// Whoever counts text as it arrives.
class piece_observer {
 public:
  piece_observer() = default;
  piece_observer(const piece_observer&) = delete;
  piece_observer& operator=(const piece_observer&) = delete;
  virtual ~piece_observer() = default;
  // `gap`: seconds since the piece before; negative for the first.
  virtual void on_piece(double gap) = 0;
};

class answer_reader {
 public:
  // `keeps_text`: whether somebody will look at `text`.
  answer_reader(api_kind api, bool keeps_text, piece_observer* observer = nullptr)
      : api_(api), keeps_text_(keeps_text), observer_(observer) {}

  // HTTP, in this order. `now` is the time at which the bytes were read, in seconds.
  void begin(unsigned status, std::string_view content_type);
  void body(std::string_view bytes, double now);
  void finish();
  // One frame of a WebSocket; true when it was the last one of the answer.
  bool frame(std::string_view json, double now);

  unsigned status = 0;
  std::string failure;  // its class, see run_record.hpp; empty: there is nothing to complain about
  std::string problem;  // what the server said about a failure, its beginning
  std::string text;
  double first_piece = -1, last_piece = -1, max_gap = -1;  // times, as `now`
  std::vector<double> gaps;
  std::uint32_t num_pieces = 0;
  std::uint32_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  bool is_finished = false;  // the server said why it ended
  std::uint64_t received_bytes = 0;

 private:
  void read_whole();
  void read_event(std::string_view data, double now);
  void read_choice(const json_value& json, double now);
  void read_usage(const json_value& json);
  void take_text(const std::string& piece, double now);
  void fail(std::string_view kind, std::string_view what);

  api_kind api_;
  bool keeps_text_;
  piece_observer* observer_;
  bool is_stream_ = false;
  sse_reader events_;
  std::vector<sse_event> ready_;
  std::string whole_;
};

}  // namespace troupe::load
