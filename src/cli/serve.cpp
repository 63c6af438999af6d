#include "cli/serve.hpp"

#include <caf/all.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>
#include <utility>

#include "cli/gate_setup.hpp"
#include "cli/phase_times.hpp"
#include "cli/protocol.hpp"
#include "engine/cuda_device.hpp"
#include "engine/house.hpp"
#include "engine/load_model.hpp"
#include "net/server.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

int refuse(const failure& why) {
  std::cerr << "troupe: " << why.message;
  if (!why.field.empty()) std::cerr << " (" << why.field << ")";
  std::cerr << '\n';
  return 1;
}

// Says so a few times, not for every matrix.
load_progress make_progress_log() {
  return [next = std::uint64_t{25}](std::uint64_t done, std::uint64_t all) mutable {
    const std::uint64_t percent = 100 * done / std::max<std::uint64_t>(all, 1);
    if (percent < next) return;
    spdlog::info("weights: {} % of {} MiB are on the GPUs", percent, all >> 20U);
    next = percent / 25 * 25 + 25;
  };
}

void log_lines(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) spdlog::info("{}", line);
}

// SIGTERM and SIGINT are taken by whoever waits here and by no other thread.
class signals {
 public:
  signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  void wait() {
    int which = 0;
    sigwait(&set_, &which);
  }
  // True if one came within the time.
  bool wait_for(std::chrono::milliseconds time) {
    timespec spec{.tv_sec = time.count() / 1000, .tv_nsec = time.count() % 1000 * 1'000'000};
    return sigtimedwait(&set_, nullptr, &spec) > 0;
  }

 private:
  sigset_t set_{};
};

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

server_options make_server_options(const serve_options& options, gate_options gate) {
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
          .gate = std::move(gate),
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

// The actors end while the front's threads still run: a last word to a reader touches its strand.
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

int serve_model(const planned_model& plan, const serve_options& options, gate_options gate,
                runner_factory runners, phase_times& phases) {
  signals stop;
  auto config = make_system_config();
  caf::actor_system system{config};
  auto actors = open_house(system, plan, options, std::move(runners));
  auto facts = make_service(plan, options);
  facts.queue = actors.queue;
  facts.observer = actors.observer;
  facts.copy = actors.copy;
  facts.store = actors.store;
  if (has_limits(gate)) facts.keeper = spawn_gatekeeper(system);
  auto keeper = facts.keeper;
  int status = 0;
  {
    server front(system, std::move(facts), make_server_options(options, std::move(gate)));
    if (auto started = front.start(); !started) {
      status = refuse(started.error());
    } else {
      phases.end("front", phase_times::clock::now());
      spdlog::info("started in {}", phases.text());
      print_welcome(options, front.port());
      stop.wait();
      drain_server(front, actors.queue, options, stop);
    }
    close_house(actors);
    if (keeper) caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
    wait_for_actors(system);
    front.stop();
  }
  return status;
}

}  // namespace

int run_serve(const serve_options& wanted) {
  // Lines for people go to stdout; the log goes to stderr.
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("troupe", std::move(sink)));
  if (wanted.only_protocol) {
    print_protocol(std::cout);
    return 0;
  }
  phase_times phases(phase_times::clock::now());
  auto gate = set_up_gate(wanted.gate);
  if (!gate) return refuse(gate.error());
  auto settled = settle_device(wanted);
  if (!settled) return refuse(settled.error());
  serve_options options = wanted;
  options.device = settled->kind;
  if (!settled->note.empty()) spdlog::info("--device auto: the CPU computes: {}", settled->note);
  auto plan = plan_model(options);
  if (!plan) return refuse(plan.error());
  if (options.only_plan) {
    std::cout << to_text(plan->memory);
    return 0;
  }
  if (options.device == device_kind::null || options.device == device_kind::sim)
    spdlog::warn("no model computes here, answers are drawn tokens: {}", plan->device);
  log_lines(to_text(plan->memory));
  if (plan->limits.max_num_seqs < options.max_num_seqs)
    spdlog::info("--max-num-seqs is {}: every sequence needs a row of --max-num-batched-tokens",
                 plan->limits.max_num_seqs);
  phases.end("plan and tokenizer", phase_times::clock::now());
  auto runners = load_runners(*plan, options, make_progress_log());
  if (!runners) return refuse(runners.error());
  phases.end("weights", phase_times::clock::now());
  return serve_model(*plan, options, *std::move(gate), *std::move(runners), phases);
}

}  // namespace troupe
