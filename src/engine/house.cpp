#include "engine/house.hpp"

#include <cstddef>
#include <memory>
#include <utility>

namespace troupe {
namespace {

template <class Actor>
void hold(const Actor& actor, std::shared_ptr<void> presence) {
  actor->attach_functor([presence = std::move(presence)] {});
}

}  // namespace

caf::actor_system_config make_system_config() {
  caf::actor_system_config config;
  enroll_cast(config);
  // CAF's default policy polls when idle and may leave a message to a busy thread.
  config.set("scheduler.policy", caf::atom("sharing"));
  config.set("scheduler.max-threads", std::size_t{2});
  config.set("scheduler.max-throughput", std::size_t{64});
  return config;
}

house open_house(caf::actor_system& system, const planned_model& plan,
                 const engine_options& options, rank_source ranks,
                 const std::shared_ptr<void>& presence, grammar_reader read_grammar) {
  house out;
  out.observer = spawn_meter(system, plan.name, plan.limits, plan.memory, plan.device);
  out.queue = spawn_request_queue(system, plan.limits, out.observer);
  replica_options wanted{.limits = plan.limits,
                         .executor_timeout = options.executor_timeout,
                         .stall_timeout = options.stall_timeout,
                         .presence = presence};
  out.copy = std::visit(
      [&](auto& source) {
        return spawn_replica(system, std::move(wanted), out.queue, out.observer, std::move(source));
      },
      ranks);
  // What makes its makers outlives the store itself, so it does not count as one of them.
  auto hire = [weak = std::weak_ptr<void>(presence)](caf::local_actor* parent) {
    auto maker = spawn_grammar_maker(parent);
    hold(maker, weak.lock());
    return maker;
  };
  out.store = spawn_grammar_store(system, {.max_cache_bytes = options.grammar_cache_bytes},
                                  out.observer, std::move(hire));
  hold(out.observer, presence);
  hold(out.queue, presence);
  hold(out.copy, presence);
  hold(out.store, presence);
  if (!read_grammar) return out;
  out.door = spawn_request_door(system, {out.queue, out.store, std::move(read_grammar)});
  hold(out.door, presence);
  return out;
}

void close_house(const house& actors) {
  auto end = [](const auto& actor) {
    if (actor) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  };
  end(actors.door);
  end(actors.copy);
  end(actors.queue);
  end(actors.observer);
  end(actors.store);
}

}  // namespace troupe
