// An engine for hosts without actors: futures and callbacks, with an actor system of its own
// inside. Every function may be called from any thread, also from a callback, except where it says
// not.
#pragma once
#include "core/config.hpp"
#include "core/outcome.hpp"
#include "core/request.hpp"
#include "engine/answer_form.hpp"
#include "engine/engine_options.hpp"
#include "text/tokenizer.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe {

class engine;

// Text as the model reads it (special tokens by their spelling), its tokens, or a conversation.
using prompt_source = std::variant<std::string, std::vector<token_id>, std::vector<chat_turn>>;

struct generate_options {
  sampling_params sampling;           // its seed does not count
  std::optional<std::uint64_t> seed;  // none: drawn from engine_options::seed
  std::vector<std::string> stop;      // the answer ends before the first of them
  bool include_stop_str_in_output = false;
  bool skip_special_tokens = true;
  answer_form form;
  std::int32_t priority = 0;
  std::uint64_t cache_salt = 0;
  std::chrono::milliseconds timeout{0};  // 0: engine_options::request_timeout
};

struct answer {
  std::string text;
  std::vector<token_id> tokens;  // the one that ended it (eos) is among them
  finish_reason why = finish_reason::failed;
  token_usage usage;
  failure error;             // only with failed and timed_out
  std::string matched_stop;  // with stop; empty: a token ended it
};

// Called on a thread of the engine, never two at once for one request: others wait meanwhile.
struct answer_callbacks {
  // Whole characters that became certain, and the tokens that came since; either may be empty.
  // What it throws ends the request as failed.
  std::function<void(std::string_view text, const std::vector<sampled_token>& tokens)> on_tokens;
  // Exactly once, last, with everything; what it throws is lost.
  std::function<void(const answer&)> on_end;
};

struct generation {
  request_id id;
  std::future<answer> result;  // never an exception: `why` and `error` say what went wrong
};

class client {
 public:
  client(client&&) noexcept;
  client& operator=(client&&) noexcept;
  // Ends what runs as failed; no callback comes later. Not for callbacks.
  ~client();

  // The model's own sampling.
  generate_options defaults() const;
  // Refuses at once what cannot run, with the member's name in `field`: no callback comes then. All
  // others end once; a full queue is an end.
  outcome<generation> generate(const prompt_source& prompt, const generate_options& options);
  outcome<request_id> generate(const prompt_source& prompt, const generate_options& options,
                               answer_callbacks callbacks);
  // Ends it as cancelled, unless it has ended.
  void cancel(request_id request);

  const std::shared_ptr<const tokenizer>& words() const;
  const engine_limits& limits() const;
  outcome<std::string> metrics() const;  // as Prometheus reads them; not for callbacks
  // The engine inside, for those who include troupe/engine.hpp. Lives as long as the client.
  const engine& parts() const;

 private:
  friend outcome<client> start_client(const engine_options& options);
  struct state;
  explicit client(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

// Takes as long as reading the weights. Failures name the member of the options in `field`.
outcome<client> start_client(const engine_options& options);

}  // namespace troupe
