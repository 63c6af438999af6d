// Several replicas behind a router, on the stage of stage.hpp: real actors, one virtual clock. A
// replica dies as a process does: at once, with all its actors, without a word.
#pragma once
#include "actors/request_door.hpp"
#include "actors/router.hpp"
#include "stage.hpp"

#include <functional>
#include <string>

namespace troupe::test {

// Knows every grammar by its text.
using grammar_book = std::map<std::string, token_constraint_ptr>;

class known_source : public grammar_source {
 public:
  known_source(std::string text, token_constraint_ptr constraint)
      : text_(std::move(text)), constraint_(std::move(constraint)) {}
  const std::string& key() const override { return text_; }
  grammar_outcome<bound_grammar> compile() const override { return bound_grammar{constraint_, {}}; }

 private:
  std::string text_;
  token_constraint_ptr constraint_;
};

class instant_store : public grammar_store::base {
 public:
  explicit instant_store(caf::actor_config& config) : grammar_store::base(config) {}
  behavior_type make_behavior() override {
    return {[](const compile_grammar& ask) {
              return grammar_compiled{
                  std::make_shared<const grammar_outcome<bound_grammar>>(ask.source->compile())};
            },
            [](const ask_cached_bytes&) { return cached_bytes{}; },
            [](const beat&) { return heartbeat{}; }, [](const tick&) {}};
  }
};

struct replica_house {
  std::shared_ptr<fake_runner> device;
  request_queue queue;
  page_manager pages;
  request_door door;
  std::vector<caf::actor> parts;
};

// Its parts are its children and die with it.
class host_actor : public caf::event_based_actor {
 public:
  host_actor(caf::actor_config& config, const engine_limits& limits, meter observer,
             const grammar_book& book, std::shared_ptr<replica_house> house)
      : caf::event_based_actor(config) {
    house->device = std::make_shared<fake_runner>(limits.num_pages);
    house->queue = spawn_request_queue(system(), limits, observer);
    house->pages = spawn_page_manager(this, limits, observer);
    auto masks = spawn<scheduled_grammarian, caf::linked>(limits, std::make_shared<grammar_desk>());
    auto rank = spawn<scheduled_executor>(house->device);
    auto batch = spawn_batcher(this, limits, {house->queue, house->pages, masks, {rank}, observer});
    auto store = spawn<instant_store>();
    auto read = [&book](const std::string& text) -> outcome<grammar_source_ptr> {
      return grammar_source_ptr{std::make_shared<known_source>(text, book.at(text))};
    };
    house->door = spawn_request_door(system(), {house->queue, store, read});
    house->parts = {
        caf::actor_cast<caf::actor>(house->door),  caf::actor_cast<caf::actor>(batch),
        caf::actor_cast<caf::actor>(house->queue), caf::actor_cast<caf::actor>(rank),
        caf::actor_cast<caf::actor>(masks),        caf::actor_cast<caf::actor>(house->pages),
        caf::actor_cast<caf::actor>(store),        caf::actor{this}};
  }
  caf::behavior make_behavior() override {
    return {[](int) {}};
  }
};

class fleet_stage {
 public:
  fleet_stage(engine_limits limits, engine_limits of_replicas)
      : of_replicas_(std::move(of_replicas)) {
    observer = spawn_meter(system, "test");
    replica_observer_ = spawn_meter(system, "replicas");
    queue = spawn_request_queue(system, limits, observer);
    routes =
        spawn_router(system, {.limits = limits, .prefix_secret = 7, .seed = 1000}, queue, observer);
  }
  ~fleet_stage() {
    for (auto& [name, house] : houses) kill(*house);
    for (auto& house : zombies_) kill(*house);
    for (auto& part :
         {caf::actor_cast<caf::actor>(routes), caf::actor_cast<caf::actor>(queue),
          caf::actor_cast<caf::actor>(observer), caf::actor_cast<caf::actor>(replica_observer_)})
      self->send_exit(part, caf::exit_reason::kill);
    for (auto& reader : readers_) self->send_exit(reader, caf::exit_reason::kill);
    director().run();
  }

  replica_id join() {
    auto house = std::make_shared<replica_house>();
    system.spawn<host_actor>(of_replicas_, replica_observer_, std::cref(grammars), house);
    replica_id name{next_name_++};
    houses[name] = house;
    self->send(routes,
               replica_joined{name,
                              house->door,
                              {.max_num_seqs = of_replicas_.max_num_seqs,
                               .num_pages = of_replicas_.num_pages,
                               .max_pending_tokens = 8 * of_replicas_.max_num_batched_tokens}});
    return name;
  }
  // kill -9, and nobody has noticed yet
  void silence(replica_id name) { kill(*houses.at(name)); }
  // kill -9
  void lose(replica_id name) {
    kill(*houses.at(name));
    leave(name);
    houses.erase(name);
  }
  // A link that is cut: it works on, and what it says may still arrive.
  void cut(replica_id name) {
    leave(name);
    zombies_.push_back(houses.at(name));
    houses.erase(name);
  }

  void post(generation_request request, std::shared_ptr<heard> ears) {
    auto reader = system.spawn<reader_actor>(std::move(ears));
    readers_.push_back(caf::actor_cast<caf::actor>(reader));
    request.arrival = director().clock().now();
    request.deadline = request.arrival + std::chrono::hours{1};
    self->send(queue, submit{std::move(request), reader});
  }
  void play() { director().run(); }
  void advance(std::chrono::milliseconds time) {
    director().advance_time(time);
    play();
  }
  route_status status() {
    route_status now;
    auto answer = self->request(routes, caf::infinite, ask_routes{});
    play();
    answer.receive([&](const route_status& s) { now = s; }, [](const caf::error&) {});
    return now;
  }
  caf::scheduler::test_coordinator& director() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  }

 private:
  void kill(replica_house& house) {
    for (auto& part : house.parts) self->send_exit(part, caf::exit_reason::kill);
    house.parts.clear();
  }
  void leave(replica_id name) { self->send(routes, replica_left{name, "lost"}); }

  caf::actor_system_config config_ = make_config(caf::atom("testing"));
  engine_limits of_replicas_;
  std::uint64_t next_name_ = 1;

 public:
  caf::actor_system system{config_};
  caf::scoped_actor self{system};
  grammar_book grammars;
  meter observer;
  request_queue queue;
  router routes;
  std::map<replica_id, std::shared_ptr<replica_house>> houses;

 private:
  meter replica_observer_;
  std::vector<std::shared_ptr<replica_house>> zombies_;
  std::vector<caf::actor> readers_;
};

}  // namespace troupe::test
