#include "cli/node.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "actors/rank_group.hpp"
#include "cli/fleet_link.hpp"
#include "cli/load_log.hpp"
#include "cli/model_mark.hpp"
#include "cli/node_link.hpp"
#include "cli/serving.hpp"
#include "engine/house.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto join_timeout = 10s;
constexpr auto rejoin_pause = 1s;

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return std::string(name.data()) + ", pid " + std::to_string(getpid());
}

// Why one membership ended.
enum class parting : std::uint8_t { signalled, lost, refused };

class node_process {
 public:
  node_process(const serve_options& options, group_terms terms, std::shared_ptr<rank_door> door)
      : options_(options), terms_(std::move(terms)), door_(std::move(door)) {}

  // From joining a group to leaving it.
  parting run(signals& stop) {
    auto config = make_system_config();
    configure_link(config, options_.fleet);
    caf::actor_system system{config};
    auto found = find_group(system, options_);
    if (!found) {
      spdlog::warn("{}", found.error().message);
      return parting::lost;
    }
    auto how = std::make_shared<std::atomic<parting>>(parting::signalled);
    auto leave = [how](const std::string& why) {
      spdlog::info("leaving: {}", why);
      how->store(parting::lost);
      kill(getpid(), SIGTERM);  // whoever waits for one wakes up
    };
    auto here = spawn_rank_node(
        system, {.first_rank = options_.node_rank * num_local_ranks(options_), .leave = leave});
    auto joined = join(system, *found, here);
    auto end = joined ? compute(*found, here, joined->num_pages) : give_up(joined.error());
    if (!end) stop.wait();
    caf::anon_send_exit(here, caf::exit_reason::user_shutdown);
    wait_for_actors(system);
    return end.value_or(how->load());
  }

 private:
  outcome<group_joined> join(caf::actor_system& system, const rank_group& where,
                             const rank_node& here) {
    caf::scoped_actor self{system};
    outcome<group_joined> answer = failure{error_code::timed_out, "no answer"};
    self->request(where, join_timeout,
                  join_group{.secret = options_.fleet.secret,
                             .terms = terms_,
                             .number = options_.node_rank,
                             .host = host_name(),
                             .who = here})
        .receive([&](const group_joined& joined) { answer = joined; },
                 [&](const caf::error& error) { answer = to_failure(error); });
    return answer;
  }

  // Who says something that another try would say again is refused for good.
  static std::optional<parting> give_up(const failure& why) {
    spdlog::error("node 0 refuses: {}", why.message);
    return why.code == error_code::invalid_argument ? parting::refused : parting::lost;
  }

  // Nothing: from now on it computes.
  std::optional<parting> compute(const rank_group& where, const rank_node& here,
                                 std::uint32_t num_pages) {
    if (auto loaded = load(num_pages); !loaded) {
      spdlog::error("{}", loaded.error().message);
      return parting::refused;
    }
    caf::anon_send(here, ranks_loaded{ranks_, caf::actor_cast<caf::actor>(where)});
    caf::anon_send(where, node_loaded{options_.node_rank, door_->place(), here});
    spdlog::info("joined {} as node {}", options_.nodes.master_addr, options_.node_rank);
    return std::nullopt;
  }

  // With as many KV pages as the first node has. Once, unless that number changes.
  refusal load(std::uint32_t num_pages) {
    if (ranks_ && num_pages == num_pages_) return nothing{};
    ranks_ = nullptr;
    auto wanted = options_;
    wanted.kv_cache_bytes.reset();
    wanted.num_kv_pages = num_pages;
    auto plan = plan_model(wanted);
    if (!plan) return plan.error();
    log_lines(to_text(plan->memory));
    auto ranks = read_rank_weights(*plan, wanted, door_);
    if (!ranks) return ranks.error();
    ranks_ = *std::move(ranks);
    num_pages_ = num_pages;
    return nothing{};
  }

  const serve_options& options_;
  group_terms terms_;
  std::shared_ptr<rank_door> door_;
  rank_factory ranks_;  // null: not loaded
  std::uint32_t num_pages_ = 0;
};

}  // namespace

int run_node(const serve_options& options) {
  auto plan = plan_model(options);
  if (!plan) return refuse(plan.error());
  auto terms = make_group_terms(*plan, options);
  if (!terms) return refuse(terms.error());
  auto door = open_rank_door(options);
  if (!door) return refuse(door.error());
  signals stop;
  node_process me(options, *std::move(terms), *std::move(door));
  while (true) {
    switch (me.run(stop)) {
      case parting::signalled: return 0;
      case parting::refused: return 1;
      case parting::lost: break;
    }
    if (!options.fleet.rejoin) return 1;
    if (stop.wait_for(rejoin_pause)) return 0;
  }
}

}  // namespace troupe
