#include "net/server.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "net/bridge.hpp"
#include "net/http_session.hpp"
#include "net/listener.hpp"
#include "net/overload_watch.hpp"
#include "net/server_context.hpp"
#include "net/server_log.hpp"
#include "net/tls.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

// Enough to write a last answer and to close gently; sockets that take longer are cut.
constexpr auto farewell_time = 3000ms;
constexpr auto cut_time = 10'000ms;

}  // namespace

struct server::state {
  state(caf::actor_system& system, service facts, server_options options)
      : house(system, std::move(facts), std::move(options)),
        io(static_cast<int>(house.options.num_io_threads)),
        door(std::make_shared<listener>(io, house)),
        watch(std::make_shared<overload_watch>(io, house, [this] { door->look_again(); })) {
    if (house.options.num_io_threads <= 1)
      house.inbox = std::make_shared<job_inbox>(io.get_executor());
  }

  void run_threads() {
    for (std::uint32_t i = 0; i < std::max(1U, house.options.num_io_threads); ++i)
      threads.emplace_back([this] {
        io.run();
        forget_actor_system();
      });
  }

  // Sessions and hosted actors need the io threads to end; the threads end when nobody is left.
  void stop() {
    if (threads.empty()) return;
    house.is_draining = true;
    door->stop();
    watch->stop();
    house.sessions.post_to_all([](http_session& s) { s.wind_up(); });
    failure why{.code = error_code::shutting_down, .message = "the server is shutting down"};
    house.sessions.post_to_all([why](http_session& s) { s.end_request(why); });
    if (!house.house->wait_until_empty(farewell_time)) {
      house.sessions.post_to_all([](http_session& s) { s.abort(); });
      if (!house.house->wait_until_empty(cut_time)) log_left_behind(house.house->size());
    }
    house.text_threads.join();
    io.stop();
    threads.clear();
  }

  server_context house;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::shared_ptr<listener> door;
  std::shared_ptr<overload_watch> watch;
  std::vector<std::jthread> threads;
};

server::server(caf::actor_system& system, service facts, server_options options)
    : state_(std::make_unique<state>(system, std::move(facts), std::move(options))) {}

server::~server() { stop(); }

refusal server::start() {
  auto& options = state_->house.options;
  if (!options.tls_cert_file.empty() || !options.tls_key_file.empty()) {
    auto loaded = load_tls(options.tls_cert_file, options.tls_key_file);
    if (!loaded) return loaded.error();
    state_->house.tls = *std::move(loaded);
  }
  if (auto bound = state_->door->start(); !bound) return bound;
  state_->watch->start();
  state_->run_threads();
  return nothing{};
}

std::uint16_t server::port() const { return state_->door->port(); }

std::size_t server::num_requests() const { return state_->house.num_requests; }

void server::stop_accepting() {
  state_->house.is_draining = true;
  state_->door->stop();
  state_->house.sessions.post_to_all([](http_session& s) { s.wind_up(); });
}

void server::end_requests(failure why) {
  state_->house.sessions.post_to_all([why](http_session& s) { s.end_request(why); });
}

void server::stop() { state_->stop(); }

}  // namespace troupe
