// An engine in the host's own caf::actor_system: the host talks to its actors and hears tokens as a
// token_sink. Nothing here is shared with other engines, of this process or system.
#pragma once
#include "actors/grammar_store.hpp"
#include "actors/meter.hpp"
#include "actors/request_queue.hpp"
#include "core/config.hpp"
#include "core/outcome.hpp"
#include "core/request.hpp"
#include "engine/answer_form.hpp"
#include "engine/engine_options.hpp"
#include "text/detokenizer.hpp"
#include "text/tokenizer.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

class engine {
 public:
  engine(engine&&) noexcept;
  engine& operator=(engine&&) noexcept;
  // As `stop`.
  ~engine();

  // Takes `submit` (as a request: its answer is `accepted` or an error) and `cancel`. The host's
  // own actors may stand in front of it, with the same interface.
  const request_queue& queue() const;
  // The same for hosts in other processes: publish it with CAF's middleman, and they get it as
  // remote_actor<request_queue>. Their requests have ids that no other host uses; what a constraint
  // was made from (grammar_source::key) goes as `grammar_text`. The requests of a host that is lost
  // are cancelled. The middleman asks nobody who they are: loopback, or TLS with certificates.
  const request_queue& door() const;
  // Compiles what answers must look like, off the caller's thread, and keeps it.
  const grammar_store& grammars() const;
  // Answers `render` with the metrics as Prometheus reads them.
  const meter& observer() const;

  const std::string& model_name() const;
  const std::string& device() const;       // in words
  const std::string& memory_plan() const;  // a sum with a comment on every line
  const engine_limits& limits() const;
  // How the model's publishers would have it sampled.
  const sampling_params& default_sampling() const;

  // Between text and tokens; a detokenizer over it turns an answer into text, piece by piece.
  const std::shared_ptr<const tokenizer>& words() const;
  // The prompt that asks for the next turn of the assistant. What turns say never becomes a special
  // token. Refuses roles that the model does not know, and models without a chat template.
  outcome<std::vector<token_id>> chat_prompt(std::span<const chat_turn> turns) const;

  // For grammars() to compile, or for the caller itself: source->compile() blocks. Null for any
  // form; refuses a schema that is no JSON, the rest of it is refused when it is compiled.
  outcome<grammar_source_ptr> read_form(const answer_form& form) const;

  // A request with an id of its own, default_sampling(), a drawn seed and a deadline.
  generation_request make_request(std::vector<token_id> prompt) const;
  // Refuses what the engine cannot run; `field` names the member. The queue itself looks at lengths
  // only, so whoever takes numbers from elsewhere asks this first.
  refusal check(const generation_request& request) const;

  // The metrics, as observer() renders them; blocks, so it is not for actors.
  outcome<std::string> metrics() const;
  // Ends all actors of the engine and whatever they answer, as failed, and waits for them; the
  // host's others live on. False if a device did not come back within `patience`: its actor is gone
  // when it does. Blocks.
  bool stop(std::chrono::milliseconds patience = std::chrono::seconds{10});

 private:
  friend outcome<engine> start_engine(caf::actor_system& system, const engine_options& options);
  struct state;
  explicit engine(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

// Loads the model and spawns its actors; takes as long as reading the weights. The system's
// configuration has gone through enroll_cast. Failures name the member of the options in `field`.
outcome<engine> start_engine(caf::actor_system& system, const engine_options& options);

// Of the library: "0.1.0".
std::string_view library_version();

}  // namespace troupe
