#include "cli/member.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "actors/fleet.hpp"
#include "actors/request_door.hpp"
#include "cli/fleet_link.hpp"
#include "cli/model_mark.hpp"
#include "cli/serving.hpp"
#include "engine/house.hpp"
#include "text/structured_key.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto join_timeout = 10s;
constexpr auto rejoin_pause = 1s;

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

// Why one membership ended.
enum class parting : std::uint8_t { signalled, retired, lost, refused };

class membership {
 public:
  membership(const planned_model& plan, const serve_options& options, const std::string& mark,
             runner_factory runners)
      : plan_(plan), options_(options), mark_(mark), runners_(std::move(runners)) {}

  // From joining a fleet to leaving it.
  parting run(signals& stop) {
    auto config = make_system_config();
    configure_link(config, options_.fleet);
    caf::actor_system system{config};
    auto found = find_fleet(system, options_.fleet);
    if (!found) {
      spdlog::warn("{}", found.error().message);
      return parting::lost;
    }
    auto how = std::make_shared<std::atomic<parting>>(parting::signalled);
    spawn_parts(system, how);
    auto joined = join(system, *found);
    if (!joined) spdlog::error("the gateway refuses: {}", joined.error().message);
    if (joined) {
      serve(system, *found, *joined);
      stop.wait();
    }
    end();
    wait_for_actors(system);
    return joined ? how->load() : parting::refused;
  }

 private:
  void end() {
    auto tell = [](auto& actor) {
      if (actor) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
      actor = nullptr;
    };
    tell(door_);
    tell(copy_);
    tell(queue_);
    tell(member_);
    tell(store_);
  }

  void spawn_parts(caf::actor_system& system, std::shared_ptr<std::atomic<parting>> how) {
    auto leave = [how = std::move(how)](const std::string& why, bool is_retired) {
      spdlog::info("leaving: {}", why);
      how->store(is_retired ? parting::retired : parting::lost);
      kill(getpid(), SIGTERM);  // whoever waits for one wakes up
    };
    member_ = spawn_fleet_member(system, {.leave = std::move(leave)});
    queue_ = spawn_request_queue(system, plan_.limits, member_);
    store_ =
        spawn_grammar_store(system, {.max_cache_bytes = options_.grammar_cache_bytes}, member_);
    auto compiler = std::make_shared<const grammar_compiler>(
        plan_.words, plan_.limits.eos_token_ids, plan_.limits.vocab_size);
    auto read = [compiler = std::move(compiler)](const std::string& text) {
      return read_structured_source(text, compiler);
    };
    door_ = spawn_request_door(system, {queue_, store_, std::move(read)});
  }

  outcome<fleet_joined> join(caf::actor_system& system, const fleet& where) {
    caf::scoped_actor self{system};
    outcome<fleet_joined> answer = failure{error_code::timed_out, "no answer"};
    self->request(where, join_timeout,
                  join_fleet{.secret = options_.fleet.secret,
                             .model = mark_,
                             .pid = getpid(),
                             .host = host_name(),
                             .max_num_seqs = plan_.limits.max_num_seqs,
                             .max_num_batched_tokens = plan_.limits.max_num_batched_tokens,
                             .num_pages = plan_.limits.num_pages,
                             .door = door_,
                             .member = member_})
        .receive([&](const fleet_joined& joined) { answer = joined; },
                 [&](const caf::error& error) { answer = to_failure(error); });
    return answer;
  }

  void serve(caf::actor_system& system, const fleet& where, const fleet_joined& joined) {
    auto limits = plan_.limits;
    limits.prefix_secret = joined.prefix_secret;
    copy_ = spawn_replica(system,
                          {.limits = limits,
                           .executor_timeout = options_.executor_timeout,
                           .stall_timeout = options_.stall_timeout},
                          queue_, member_, runners_);
    caf::anon_send(member_,
                   joined_fleet{copy_, caf::actor_cast<caf::actor>(where), joined.replica});
    spdlog::info("joined {} as replica {}", options_.fleet.join, joined.replica.value);
  }

  const planned_model& plan_;
  const serve_options& options_;
  const std::string& mark_;
  runner_factory runners_;
  fleet_member member_;
  request_queue queue_;
  grammar_store store_;
  request_door door_;
  replica copy_;
};

}  // namespace

int run_member(const planned_model& plan, const serve_options& options, runner_factory runners) {
  auto mark = make_model_mark(plan, options);
  if (!mark) return refuse(mark.error());
  signals stop;
  membership me(plan, options, *mark, std::move(runners));
  while (true) {
    switch (me.run(stop)) {
      case parting::signalled:
      case parting::retired: return 0;
      case parting::refused: return 1;
      case parting::lost: break;
    }
    if (!options.fleet.rejoin) return 1;
    if (stop.wait_for(rejoin_pause)) return 0;
  }
}

}  // namespace troupe
