#include "cli/serving.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "cli/load_test_fields.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

server_options make_server_options(const serve_options& options, front_settings settings) {
  return {.host = options.host,
          .port = options.port,
          .num_io_threads = options.io_threads,
          .max_connections = options.max_connections,
          .max_body_bytes = options.max_body_bytes,
          .max_bodies_bytes = options.max_bodies_bytes,
          .max_pending_bytes = options.max_pending_bytes,
          .max_stored_responses = options.max_stored_responses,
          .max_stored_response_bytes = options.max_stored_response_bytes,
          .header_timeout = options.header_timeout,
          .body_timeout = options.body_timeout,
          .idle_timeout = options.idle_timeout,
          .write_timeout = options.write_timeout,
          .memory = settings.memory,
          .lost_log_lines = settings.lost_log_lines,
          .gate = std::move(settings.gate),
          .tls_cert_file = options.tls_cert,
          .tls_key_file = options.tls_key,
          .websocket_compression = options.websocket_compression,
          .max_generations_per_connection = options.max_generations_per_connection};
}

void print_welcome(const serve_options& options, std::uint16_t port) {
  auto scheme = options.tls_cert.empty() ? "http://" : "https://";
  auto address = scheme + options.host + ":" + std::to_string(port);
  std::cout << "Troupe is listening on " << address << "/ (a page for browsers is there)\n\n  curl "
            << address
            << "/generate -H 'Content-Type: application/json' \\\n"
               "    -d '{\"prompt\": \"Hello! Who are you?\", \"max_tokens\": 100}'\n\n"
            << std::flush;
}

// Where this very server answers, from this machine.
std::string own_address(const serve_options& options, std::uint16_t port) {
  auto host = options.host == "0.0.0.0" ? "127.0.0.1" : options.host == "::" ? "::1" : options.host;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  auto scheme = options.tls_cert.empty() ? "http://" : "https://";
  return scheme + host + ":" + std::to_string(port);
}

// Finishes what runs, within --drain-timeout or until a second signal.
void drain_server(server& front, const request_queue& queue, const serve_options& options,
                  signals& stop) {
  spdlog::info("draining: new requests are refused, {} run", front.num_requests());
  front.stop_accepting();
  failure why{error_code::shutting_down, "the server is shutting down", "", 5s};
  caf::anon_send(queue, drain{why, false});
  auto deadline = std::chrono::steady_clock::now() + options.drain_timeout;
  while (front.num_requests() > 0 && std::chrono::steady_clock::now() < deadline)
    if (stop.wait_for(20ms)) break;
  if (front.num_requests() > 0)
    spdlog::warn("{} requests did not finish in time", front.num_requests());
  front.end_requests(why);
  // Each answer ends on its own strand; the engine stays until the last one has been told.
  auto last_word = std::chrono::steady_clock::now() + 2s;
  while (front.num_requests() > 0 && std::chrono::steady_clock::now() < last_word)
    if (stop.wait_for(5ms)) break;
}

}  // namespace

int refuse(const failure& why) {
  std::cerr << "troupe: " << why.message;
  if (!why.field.empty()) std::cerr << " (" << why.field << ")";
  std::cerr << '\n';
  return 1;
}

signals::signals(bool with_hangup) {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  if (with_hangup) sigaddset(&set_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int signals::wait() {
  int which = 0;
  sigwait(&set_, &which);
  return which;
}

bool signals::wait_for(std::chrono::milliseconds time) {
  timespec spec{.tv_sec = time.count() / 1000, .tv_nsec = time.count() % 1000 * 1'000'000};
  return sigtimedwait(&set_, nullptr, &spec) > 0;
}

service make_service(const planned_model& plan, const serve_options& options) {
  service facts;
  facts.model_name = plan.name;
  facts.words = plan.words;
  facts.chat = plan.chat ? std::make_shared<const chat_template>(*plan.chat) : nullptr;
  facts.defaults = default_sampling(plan);
  facts.limits = plan.limits;
  facts.grammars = std::make_shared<const grammar_compiler>(plan.words, plan.limits.eos_token_ids,
                                                            plan.limits.vocab_size);
  facts.vocab_size = plan.config.vocab_size;
  facts.seed = options.seed;
  facts.device = plan.device;
  facts.start_time = std::time(nullptr);
  facts.memory = plan.memory;
  facts.weights_type = name_of_weights(plan);
  facts.quantization = name_of_quantization(plan);
  facts.tensor_parallel_size = options.tensor_parallel_size;
  facts.threads_per_rank = plan.runner.threads.num_threads;
  facts.executor_timeout = options.executor_timeout;
  facts.stall_timeout = options.stall_timeout;
  return facts;
}

void wait_for_actors(caf::actor_system& system) {
  auto deadline = std::chrono::steady_clock::now() + 5s;
  while (system.registry().running() > 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      spdlog::error("a device or a compiler does not come back; leaving without it");
      std::_Exit(1);
    }
    std::this_thread::sleep_for(1ms);
  }
}

int serve_house(caf::actor_system& system, const house& actors, const planned_model& plan,
                const serve_options& options, front_settings settings, phase_times& phases,
                signals& stop, const std::function<void()>& end_more) {
  auto facts = make_service(plan, options);
  facts.queue = actors.queue;
  facts.observer = actors.observer;
  facts.copy = actors.copy;
  facts.store = actors.store;
  if (has_limits(settings.gate)) facts.keeper = spawn_gatekeeper(system);
  auto end = [&actors, &end_more, keeper = facts.keeper] {
    close_house(actors);
    if (keeper) caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
    if (end_more) end_more();
  };
  return run_front(system, std::move(facts), options, std::move(settings), phases, stop, end);
}

int run_front(caf::actor_system& system, service facts, const serve_options& options,
              front_settings settings, phase_times& phases, signals& stop,
              const std::function<void()>& end, const std::function<void()>& on_hangup) {
  int status = 0;
  auto queue = facts.queue;
  load_tester tests;
  if (options.enable_load_tests) {
    facts.tests = tests = spawn_load_tester(system, facts.observer);
    facts.read_load_test = &read_load_test;
  }
  // Its requests are nobody's: they need not be finished.
  auto end_tests = [&tests] {
    if (tests) caf::anon_send_exit(tests, caf::exit_reason::user_shutdown);
  };
  server front(system, std::move(facts), make_server_options(options, std::move(settings)));
  if (auto started = front.start(); !started) {
    status = refuse(started.error());
  } else {
    phases.end("front", phase_times::clock::now());
    spdlog::info("started in {}", phases.text());
    if (tests) caf::anon_send(tests, open_load_tests{own_address(options, front.port())});
    print_welcome(options, front.port());
    while (stop.wait() == SIGHUP) on_hangup();
    end_tests();
    drain_server(front, queue, options, stop);
  }
  end_tests();
  end();
  wait_for_actors(system);
  front.stop();
  return status;
}

}  // namespace troupe
