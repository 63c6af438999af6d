// What every form of `troupe serve` shares: the actor system, the signals, the front before the
// actors, the end of all of them.
#pragma once
#include <caf/all.hpp>

#include <chrono>
#include <csignal>
#include <functional>
#include <vector>

#include "cli/load_model.hpp"
#include "cli/phase_times.hpp"
#include "cli/serve_options.hpp"
#include "net/gate_options.hpp"
#include "net/service.hpp"

namespace troupe {

void configure_system(caf::actor_system_config& config);

// Says why on stderr; answers the exit status.
int refuse(const failure& why);

// SIGTERM and SIGINT, and SIGHUP where it has a meaning, are taken by whoever waits here and by no
// other thread.
class signals {
 public:
  explicit signals(bool with_hangup = false);
  int wait();
  // True if one came within the time.
  bool wait_for(std::chrono::milliseconds time);

 private:
  sigset_t set_{};
};

// What the routes know of the house; its actors are still to be filled in.
service make_service(const planned_model& plan, const serve_options& options);

// Answers clients until SIGTERM, then drains; `on_hangup` is for SIGHUP. Ends `actors` while the
// front's threads still run: a last word to a reader touches its strand.
int run_front(caf::actor_system& system, service facts, const serve_options& options,
              gate_options gate, phase_times& phases, signals& stop,
              const std::vector<caf::actor>& actors, const std::function<void()>& on_hangup = {});

// Asks them to end and waits for all actors of the system; leaves the process without those that
// do not come back.
void end_actors(caf::actor_system& system, const std::vector<caf::actor>& actors);

}  // namespace troupe
