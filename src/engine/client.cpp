#include "troupe/client.hpp"

#include <exception>
#include <thread>
#include <utility>

#include "engine/answer_actor.hpp"
#include "engine/house.hpp"

namespace troupe {
namespace {

refusal check_stops(const std::vector<std::string>& stops) {
  auto refuse = [](const std::string& what) {
    return failure{error_code::invalid_argument, "stop " + what, "stop", {}};
  };
  if (stops.size() > max_stops)
    return refuse("has " + std::to_string(stops.size()) + " strings, expected at most " +
                  std::to_string(max_stops));
  for (auto& stop : stops)
    if (stop.empty() || stop.size() > max_stop_bytes)
      return refuse("has a string of " + std::to_string(stop.size()) + " bytes, expected 1 to " +
                    std::to_string(max_stop_bytes));
  return nothing{};
}

}  // namespace

// The actor system, from its first to its last moment, on a thread of its own: CAF leaves traces in
// the thread that makes one, and none of the host's threads may have to end before it.
struct client::state {
  explicit state(const engine_options& options)
      : keeper_([this, options, leaving = leave_.get_future()]() mutable {
          try {
            keep(options, leaving);
          } catch (const std::exception& error) {
            tell(failure{error_code::engine_failed,
                         std::string("the actor system does not start: ") + error.what(),
                         "",
                         {}});
            leaving.wait();
          }
        }) {}
  ~state() {
    leave_.set_value();
    keeper_.join();
  }

  refusal wait_until_started() { return started_.get_future().get(); }

  const engine* parts = nullptr;  // on the keeper's stack
  answer_desk desk;

 private:
  void tell(refusal how) {
    if (!std::exchange(has_told_, true)) started_.set_value(std::move(how));
  }

  void keep(const engine_options& options, const std::future<void>& leaving) {
    auto config = make_system_config();
    caf::actor_system system{config};
    auto made = start_engine(system, options);
    if (!made) {
      tell(made.error());
      leaving.wait();
      return;
    }
    parts = &*made;
    desk = spawn_answer_desk(system, {.queue = made->queue(),
                                      .store = made->grammars(),
                                      .words = made->words(),
                                      .eos_token_ids = made->limits().eos_token_ids});
    tell(nothing{});
    leaving.wait();
    caf::anon_send_exit(desk, caf::exit_reason::user_shutdown);
    desk = nullptr;
    // The rest ends here, answers first; the system waits for all of its actors.
  }

  std::promise<void> leave_;
  std::promise<refusal> started_;
  bool has_told_ = false;
  std::thread keeper_;
};

client::client(std::unique_ptr<state> s) : state_(std::move(s)) {}
client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;
client::~client() = default;

const std::shared_ptr<const tokenizer>& client::words() const { return parts().words(); }
const engine_limits& client::limits() const { return parts().limits(); }
outcome<std::string> client::metrics() const { return parts().metrics(); }
const engine& client::parts() const { return *state_->parts; }

generate_options client::defaults() const { return {.sampling = parts().default_sampling()}; }

outcome<generation> client::generate(const prompt_source& prompt, const generate_options& options) {
  auto promised = std::make_shared<std::promise<answer>>();
  auto result = promised->get_future();
  auto id = generate(prompt, options,
                     {.on_end = [promised](const answer& all) { promised->set_value(all); }});
  if (!id) return id.error();
  return generation{*id, std::move(result)};
}

outcome<request_id> client::generate(const prompt_source& prompt, const generate_options& options,
                                     answer_callbacks callbacks) {
  if (auto fine = check_stops(options.stop); !fine) return fine.error();
  if (options.timeout.count() < 0)
    return failure{error_code::invalid_argument,
                   "timeout is " + std::to_string(options.timeout.count()) +
                       " ms, expected 0 (the engine's own) or more",
                   "timeout",
                   {}};
  std::vector<token_id> tokens;
  if (auto* text = std::get_if<std::string>(&prompt)) {
    tokens = parts().words()->encode(*text);
  } else if (auto* ids = std::get_if<std::vector<token_id>>(&prompt)) {
    tokens = *ids;
  } else {
    auto made = parts().chat_prompt(std::get<std::vector<chat_turn>>(prompt));
    if (!made) return made.error();
    tokens = *std::move(made);
  }
  auto request = parts().make_request(std::move(tokens));
  const auto drawn_seed = request.sampling.seed;
  request.sampling = options.sampling;
  request.sampling.seed = options.seed.value_or(drawn_seed);
  request.priority = options.priority;
  request.cache_salt = options.cache_salt;
  if (options.timeout.count() > 0) request.deadline = request.arrival + options.timeout;
  if (auto fine = parts().check(request); !fine) return fine.error();
  auto form = parts().read_form(options.form);
  if (!form) return form.error();
  const auto id = request.id;
  auto order = std::make_shared<answer_order>(
      answer_order{.request = std::move(request),
                   .text = {.skip_special_tokens = options.skip_special_tokens,
                            .include_stop_str_in_output = options.include_stop_str_in_output,
                            .stop = options.stop},
                   .form = *std::move(form),
                   .writer = std::make_shared<answer_writer>(std::move(callbacks))});
  caf::anon_send(state_->desk, open_answer{std::move(order)});
  return id;
}

void client::cancel(request_id request) {
  caf::anon_send(state_->desk, troupe::cancel{request, finish_reason::cancelled});
}

outcome<client> start_client(const engine_options& options) {
  auto made = std::make_unique<client::state>(options);
  if (auto started = made->wait_until_started(); !started) return started.error();
  return client(std::move(made));
}

}  // namespace troupe
