// What one API call asks of the engine and how its answers are written: the form that every API is
// turned into. Pure values and pure writers; who carries the bytes (HTTP, server-sent events, a
// WebSocket) stands elsewhere.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bound_grammar.hpp"
#include "core/request.hpp"
#include "net/answer_piece.hpp"
#include "net/http_message.hpp"
#include "text/detokenizer.hpp"
#include "text/json_builder.hpp"
#include "text/structured.hpp"

namespace troupe {

struct answer_order {
  generation_request request;  // without id, times and cache salt
  detokenizer_options text;
  bool wants_tokens = false;  // the pieces carry the tokens, not only their text
  bool is_rerun = false;      // another answer to the prompt of the order before it
};

// Takes events; each is one JSON value on one line.
class event_sink {
 public:
  virtual ~event_sink() = default;
  // `name` is the event's type where the API names its events, else empty.
  virtual void event(std::string_view name, std::string_view json) = 0;
};

// Writes the answers of one call. A call uses either `whole`, or `write` with `finish` or `fail`.
class answer_writer {
 public:
  virtual ~answer_writer() = default;

  // The body of the whole answer. Every choice ended with stop or length.
  virtual std::string whole(std::vector<answer_piece> choices) = 0;

  // What came of one choice; the last piece of each has an end, which is stop or length.
  virtual void write(event_sink& out, std::size_t choice, answer_piece piece) = 0;
  // After the end of every choice.
  virtual void finish(event_sink& out) { static_cast<void>(out); }
  // Instead of `finish`, after the first event: one of the answers failed.
  virtual void fail(event_sink& out, const http_error& why) = 0;
  // Whether the stream of server-sent events ends with "data: [DONE]".
  virtual bool says_done() const { return true; }

  // What of the asked form is not enforced; the answer says so. Before anything is written.
  void warn(std::vector<grammar_note> notes) { warnings_ = std::move(notes); }

 protected:
  // "warnings": [{"pointer", "keyword", "reason"}] if there are some.
  void append_warnings(json_builder& json) const;
  // The same, but only once: in a stream one event has them.
  void tell_warnings(json_builder& json);

 private:
  std::vector<grammar_note> warnings_;
};

struct answer_plan {
  // [num_prompts * num_runs], the runs of a prompt side by side: the choices by their index.
  std::vector<answer_order> orders;
  bool stream = false;
  std::optional<structured_request> structure;  // of every answer
  std::unique_ptr<answer_writer> writer;
};

// The order for each of `num_runs` answers to one prompt. The first runs with the request's own
// seed, so that asking for more answers does not change it.
std::vector<answer_order> repeat(const answer_order& order, std::size_t num_runs);

// Every answer follows the grammar; `text` is what it was made from.
void bind(answer_plan& plan, const bound_grammar& form,
          const std::shared_ptr<const std::string>& text);

bool is_answer(const answer_end& end);
// Why an answer failed, as the client sees it. `end` is no answer.
http_error to_http_error(const answer_end& end);

}  // namespace troupe
