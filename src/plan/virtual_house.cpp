#include "plan/virtual_house.hpp"

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "actors/batcher.hpp"
#include "actors/router.hpp"
#include "core/draft_plan.hpp"
#include "plan/load_source.hpp"
#include "plan/virtual_executor.hpp"

namespace troupe::planning {
namespace {

constexpr std::uint64_t prefix_secret = 0x706c616e;
// What answers are made of: which tokens they are means nothing here.
constexpr std::uint32_t num_drawn_ids = 4096;

// What a replica's parts tell, and the router is told of it.
struct replica_facts {
  replica_id id;
  house_course* course;
  router routes;  // null with one replica
};

// Hears what the real meter would.
class listening_meter : public meter::base {
 public:
  listening_meter(caf::actor_config& config, replica_facts facts)
      : meter::base(config), facts_(std::move(facts)) {}

  const char* name() const override { return "listening_meter"; }
  void on_exit() override { facts_.routes = nullptr; }

  behavior_type make_behavior() override {
    return {
        [](const queue_observed&) {},
        [this](const step_observed& news) { add(news); },
        [this](const pages_observed& news) { add(news); },
        [](const request_observed&) {},
        [](const refusal_observed&) {},
        [](const http_observed&) {},
        [](const front_observed&) {},
        [](const replica_observed&) {},
        [](const grammar_observed&) {},
        [](const fleet_observed&) {},
        [](const overload_observed&) {},
        [](const log_observed&) {},
        [](const load_test_observed&) {},
        [](const render&) { return std::string(); },
        [](const beat&) { return heartbeat{}; },
    };
  }

 private:
  void add(const step_observed& news) {
    auto& course = *facts_.course;
    course.most_running = std::max(course.most_running, news.num_running);
    course.num_preemptions += news.num_preemptions;
    course.busy_share += news.seconds;  // seconds until the end
    if (news.seconds > 0) ++course.num_steps;
  }
  void add(const pages_observed& news) {
    auto& course = *facts_.course;
    const double share = static_cast<double>(news.num_used) / news.num_pages;
    course.kv_share = std::max(course.kv_share, share);
    if (facts_.routes) send(facts_.routes, prefixes_changed{facts_.id, news.is_new, news.prefixes});
  }

  replica_facts facts_;
};

caf::actor_system_config make_virtual_config() {
  caf::actor_system_config config;
  enroll_cast(config);
  config.set("scheduler.policy", caf::atom("testing"));
  return config;
}

class stage {
 public:
  stage(const deployment& what, const load_shape& load, const load_case& row)
      : limits_(what.limits), eyes_(std::make_shared<observer>(load, row)) {
    const bool has_router = what.num_replicas > 1;
    auto observer_of = [this](replica_id id) {
      return hold(system_.spawn<listening_meter>(replica_facts{id, &course_, routes_}));
    };
    auto front = hold(spawn_request_queue(system_, limits_, observer_of({})));
    if (has_router) {
      limits_.prefix_secret = prefix_secret;
      routes_ = hold(spawn_router(
          system_, {.limits = limits_, .prefix_secret = prefix_secret, .seed = load.seed}, front,
          observer_of({})));
    }
    for (std::uint32_t i = 0; i < what.num_replicas; ++i) {
      const replica_id id{i + 1};
      const auto told = observer_of(id);
      auto door = has_router ? hold(spawn_request_queue(system_, limits_, told)) : front;
      open_replica(what, door, told);
      if (has_router) welcome(id, door);
    }
    hold(spawn_load_source(system_, load, row, limits_, front, eyes_));
  }
  ~stage() {
    for (auto& part : parts_) self_->send_exit(part, caf::exit_reason::kill);
    work();
  }
  stage(const stage&) = delete;
  stage& operator=(const stage&) = delete;

  outcome<house_course> run() {
    auto now = [this] { return seconds_of(clock().now()); };
    for (work(); !eyes_->is_over(now()); work())
      if (!clock().trigger_timeout())
        return failure{error_code::engine_failed, "the simulated house stopped with work left"};
    course_.seconds = now();
    course_.load = eyes_->finish(now());
    course_.busy_share /= course_.seconds * static_cast<double>(num_executors_);
    return std::move(course_);
  }

 private:
  template <class Actor>
  Actor hold(Actor part) {
    parts_.push_back(caf::actor_cast<caf::actor>(part));
    return part;
  }

  void open_replica(const deployment& what, const request_queue& door, const meter& told) {
    sim_runner_options device{.limits = {.max_num_seqs = limits_.max_num_seqs,
                                         .max_num_rows = limits_.max_num_batched_tokens,
                                         .max_num_logit_rows = count_logit_rows(limits_),
                                         .max_model_len = limits_.max_model_len,
                                         .num_pages = limits_.num_pages,
                                         .vocab_size = what.vocab_size,
                                         .num_choosable_tokens = what.vocab_size}};
    for (std::uint32_t i = 0; i < std::min(what.vocab_size, num_drawn_ids); ++i)
      device.tokens.plain.push_back(static_cast<token_id>(i));
    auto rank = hold(spawn_virtual_executor(system_, device, what.step_seconds));
    auto pages = hold(spawn_page_manager(self_.ptr(), limits_, told));
    hold(spawn_batcher(self_.ptr(), limits_, {door, pages, grammarian{}, {rank}, told}));
    ++num_executors_;
  }

  void welcome(replica_id id, const request_queue& door) {
    // As a gateway's fleet says it.
    const replica_capacity capacity{
        .max_num_seqs = limits_.max_num_seqs,
        .num_pages = limits_.num_pages,
        .max_pending_tokens = 16 * std::uint64_t{limits_.max_num_batched_tokens}};
    self_->send(routes_, replica_joined{id, door, capacity});
    self_->send(routes_, replica_opened{id, true});
  }

  caf::scheduler::test_coordinator& director() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }
  caf::detail::test_actor_clock& clock() { return director().clock(); }
  void work() {
    while (director().try_run_once()) {
    }
  }

  engine_limits limits_;
  std::shared_ptr<observer> eyes_;
  house_course course_;
  caf::actor_system_config config_ = make_virtual_config();
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  router routes_;
  std::vector<caf::actor> parts_;
  std::uint32_t num_executors_ = 0;
};

}  // namespace

outcome<house_course> run_load(const deployment& what, const load_shape& load,
                               const load_case& row) {
  return stage(what, load, row).run();
}

}  // namespace troupe::planning
