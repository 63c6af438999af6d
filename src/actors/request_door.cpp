#include "actors/request_door.hpp"

#include <chrono>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {
namespace {

using namespace std::chrono_literals;

// Longer than the store lets anybody wait.
constexpr auto store_patience = 20s;

class request_door_actor : public request_door::base {
 public:
  request_door_actor(caf::actor_config& config, door_parts parts)
      : request_door::base(config), parts_(std::move(parts)) {
    set_down_handler([this](const caf::down_msg& down) { cancel_all_of(down.source); });
  }

  const char* name() const override { return "request_door"; }

  void on_exit() override {
    for (auto& [request, reader] : readers_) caf::anon_send(parts_.queue, cancel{request});
    readers_.clear();
    parts_ = {};
  }

  behavior_type make_behavior() override {
    return {
        [this](submit& ask) { return let_in(ask); },
        [this](const cancel& gone) { send(parts_.queue, gone); },
        [this](const take& ask) { return delegate(parts_.queue, ask); },
        [this](take_back& ask) { delegate(parts_.queue, std::move(ask)); },
        [this](const drain& ask) { send(parts_.queue, ask); },
        [this](const reopen& ask) { send(parts_.queue, ask); },
        [this](const beat& ask) { return delegate(parts_.queue, ask); },
        [](const tick&) {},  // the queue keeps the time
        [this](tokens_ready& news) {
          auto it = readers_.find(news.request);
          if (it != readers_.end()) send(it->second, std::move(news));
        },
        [this](finished& news) {
          auto it = readers_.find(news.request);
          if (it == readers_.end()) return;
          auto reader = it->second;
          forget(it);
          send(reader, std::move(news));
        },
    };
  }

 private:
  using reader_map = std::unordered_map<request_id, token_sink>;

  caf::result<accepted> let_in(submit& ask) {
    auto id = ask.request.id;
    if (readers_.contains(id))
      return make_error({.code = error_code::invalid_argument,
                         .message = "another request has this id",
                         .field = "id"});
    remember(id, std::exchange(ask.reader, caf::actor_cast<token_sink>(this)));
    auto promise = make_response_promise<accepted>();
    if (ask.request.grammar_text && !ask.request.constraint)
      constrain(std::move(ask), promise);
    else
      hand_over(std::move(ask), promise);
    return promise;
  }

  void constrain(submit ask, caf::typed_response_promise<accepted> promise) {
    auto id = ask.request.id;
    auto source = parts_.read_grammar(*ask.request.grammar_text);
    if (!source) return refuse(id, promise, make_error(source.error()));
    auto kept = std::make_shared<submit>(std::move(ask));
    request(parts_.store, store_patience, compile_grammar{*std::move(source)})
        .then(
            [this, id, kept, promise](const grammar_compiled& answer) {
              auto& made = *answer.made;
              if (!made)
                return refuse(id, promise,
                              make_error({.code = error_code::constraint_failed,
                                          .message = made.error().message()}));
              kept->request.constraint = made->constraint;
              hand_over(std::move(*kept), promise);
            },
            [this, id, promise](const caf::error& error) { refuse(id, promise, error); });
  }

  void hand_over(submit ask, caf::typed_response_promise<accepted> promise) {
    auto id = ask.request.id;
    if (!readers_.contains(id)) {  // its reader was lost while the grammar was made
      promise.deliver(
          make_error({.code = error_code::engine_failed, .message = "nobody reads it"}));
      return;
    }
    request(parts_.queue, caf::infinite, std::move(ask))
        .then([promise](const accepted& answer) mutable { promise.deliver(answer); },
              [this, id, promise](const caf::error& error) { refuse(id, promise, error); });
  }

  void refuse(request_id id, caf::typed_response_promise<accepted> promise, caf::error why) {
    if (auto it = readers_.find(id); it != readers_.end()) forget(it);
    promise.deliver(std::move(why));
  }

  // One monitor for all requests of a reader: a router reads thousands of answers.
  void remember(request_id id, token_sink reader) {
    if (num_requests_[reader.address()]++ == 0) monitor(reader);
    readers_.emplace(id, std::move(reader));
  }

  void forget(reader_map::iterator it) {
    auto who = it->second.address();
    readers_.erase(it);
    auto count = num_requests_.find(who);
    if (count == num_requests_.end() || --count->second > 0) return;
    num_requests_.erase(count);
    demonitor(who);
  }

  void cancel_all_of(const caf::actor_addr& lost) {
    num_requests_.erase(lost);
    std::erase_if(readers_, [&](const auto& entry) {
      if (entry.second.address() != lost) return false;
      send(parts_.queue, cancel{entry.first});
      return true;
    });
  }

  door_parts parts_;
  reader_map readers_;
  std::unordered_map<caf::actor_addr, std::uint32_t> num_requests_;  // by reader
};

}  // namespace

request_door spawn_request_door(caf::actor_system& system, door_parts parts) {
  return system.spawn<request_door_actor>(std::move(parts));
}

}  // namespace troupe
