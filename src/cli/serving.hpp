// What every form of `troupe serve` shares: the actor system, the signals, the front before the
// actors, the end of all of them.
#pragma once
#include <caf/all.hpp>

#include <chrono>
#include <csignal>
#include <functional>

#include "cli/phase_times.hpp"
#include "cli/serve_options.hpp"
#include "engine/house.hpp"
#include "engine/load_model.hpp"
#include "net/gate_options.hpp"
#include "net/server.hpp"
#include "net/service.hpp"

namespace troupe {

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

// What the front needs beyond its flags, settled before anything is loaded.
struct front_settings {
  gate_options gate;
  memory_bounds memory;
  shared_sum lost_log_lines;
};

// Answers clients until SIGTERM, then drains; `on_hangup` is for SIGHUP. `end` tells the actors to
// end while the front's threads still run: a last word to a reader touches its strand.
int run_front(caf::actor_system& system, service facts, const serve_options& options,
              front_settings settings, phase_times& phases, signals& stop,
              const std::function<void()>& end, const std::function<void()>& on_hangup = {});

// The same with the actors of one house, which end with it; `end_more` ends what else there is.
int serve_house(caf::actor_system& system, const house& actors, const planned_model& plan,
                const serve_options& options, front_settings settings, phase_times& phases,
                signals& stop, const std::function<void()>& end_more = {});

// Until all actors of the system have ended; leaves the process without those that do not.
void wait_for_actors(caf::actor_system& system);

}  // namespace troupe
