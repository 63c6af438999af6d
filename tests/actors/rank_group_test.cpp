// A group on real threads: forms, loses nodes, forms anew.
#include "actors/rank_group.hpp"

#include "stage.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// What a node's factory did.
struct workshop {
  std::atomic<int> num_made{0};
  std::atomic<bool> fails{false}, waits{false};
  std::atomic<int> num_waiting{0};
  std::atomic<int> num_nodes_met{0};
};

rank_factory make_factory(workshop& shop) {
  return [&shop](const rank_meeting& meeting) {
    if (shop.fails) throw device_error("no memory");
    ++shop.num_waiting;
    while (shop.waits && !*meeting.is_aborted) std::this_thread::sleep_for(1ms);
    --shop.num_waiting;
    if (*meeting.is_aborted) throw device_error("called off");
    shop.num_nodes_met = static_cast<int>(meeting.places.size());
    ++shop.num_made;
    std::vector<std::unique_ptr<runner>> out;
    out.push_back(std::make_unique<fake_runner>(8));
    return out;
  };
}

struct heard_of_group {
  std::atomic<std::uint64_t> lost{0};
  std::atomic<std::uint32_t> num_present{0};
};

struct stage_of_nodes {
  stage_of_nodes() {
    group_options options{.num_pages = 77,
                          .secret = "secret",
                          .terms = {{"context", "9"}},
                          .place = "first:1",
                          .silence = 300ms,
                          .form_pause = 50ms,
                          .draw_token = [] { return std::string(meeting_token_bytes, 't'); }};
    first = spawn_rank_node(system, {});
    self->send(first, ranks_loaded{make_factory(first_shop), nullptr});
    group = spawn_rank_group(system, options, first);
    listener = system.spawn([this](group_listener::pointer) -> group_listener::behavior_type {
      return {[this](const group_changed& news) { ears.num_present = news.num_ranks_present; },
              [this](const ranks_lost& news) { ears.lost = news.formation; }};
    });
  }
  ~stage_of_nodes() {
    for (auto& part : {caf::actor_cast<caf::actor>(group), caf::actor_cast<caf::actor>(first),
                       caf::actor_cast<caf::actor>(listener), second})
      if (part) self->send_exit(part, caf::exit_reason::user_shutdown);
  }

  rank_node spawn_second() {
    auto made = spawn_rank_node(
        system, {.first_rank = 1, .leave = [this](const std::string&) { ++num_left; }});
    second = caf::actor_cast<caf::actor>(made);
    return made;
  }
  // What it answers, or why not.
  std::string join(const rank_node& who, join_group ask) {
    std::string out;
    ask.who = who;
    self->request(group, 5s, ask)
        .receive([&](const group_joined& joined) { out = std::to_string(joined.num_pages); },
                 [&](const caf::error& why) { out = to_failure(why).message; });
    return out;
  }
  static join_group right() {
    return {.secret = "secret", .terms = {{"context", "9"}}, .number = 1, .host = "there"};
  }
  rank_node add_second() {
    auto who = spawn_second();
    REQUIRE(join(who, right()) == "77");
    self->send(who, ranks_loaded{make_factory(second_shop), caf::actor_cast<caf::actor>(group)});
    self->send(group, node_loaded{1, "second:2", who});
    return who;
  }
  group_formed form(std::chrono::milliseconds within = 5s) {
    group_formed out;
    self->request(group, within, form_group{listener})
        .receive([&](group_formed& all) { out = std::move(all); }, [](const caf::error&) {});
    return out;
  }
  template <class Condition>
  bool becomes(const Condition& condition) {
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }

  caf::actor_system_config config = make_config(caf::atom("sharing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  workshop first_shop, second_shop;
  heard_of_group ears;
  std::atomic<int> num_left{0};
  rank_node first;
  rank_group group;
  group_listener listener;
  caf::actor second;
};

}  // namespace

TEST_CASE("a group forms when all nodes are there, and says who is missing") {
  stage_of_nodes s;
  CHECK(s.form(100ms).executors.empty());
  CHECK(s.becomes([&] { return s.ears.num_present == 1; }));
  s.add_second();
  auto formed = s.form();
  CHECK(formed.executors.size() == 2);
  CHECK(s.ears.num_present == 2);
  CHECK(s.first_shop.num_nodes_met == 2);
  // Anew: the executors of before end.
  auto again = s.form();
  CHECK(again.executors.size() == 2);
  CHECK(again.formation > formed.formation);
  CHECK(s.ears.lost == 0);
  s.self->monitor(formed.executors[1]);
  bool has_ended = false;
  s.self->receive([&](const caf::down_msg&) { has_ended = true; }, caf::after(5s) >> [] {});
  CHECK(has_ended);
}

TEST_CASE("who does not belong to a group is refused with the reason") {
  stage_of_nodes s;
  auto who = s.spawn_second();
  auto wrong = s.right();
  wrong.secret = "guessed";
  CHECK(s.join(who, wrong) == "its --fleet-secret is not that of the group");
  wrong = s.right();
  wrong.terms["context"] = "8";
  CHECK(s.join(who, wrong) == "its ranks would compute something else: context (8 there, 9 here)");
  wrong = s.right();
  wrong.number = 2;
  CHECK(s.join(who, wrong) == "node 2 is none of the nodes 1 to 1 that can join");
  CHECK(s.join(who, s.right()) == "77");
  CHECK(s.join(s.first, s.right()) == "node 1 is here already, from there");
  CHECK(s.form(100ms).executors.empty());
}

TEST_CASE("a node that ends is missed, and another one takes its number") {
  stage_of_nodes s;
  s.add_second();
  auto formed = s.form();
  REQUIRE(formed.executors.size() == 2);
  s.self->send_exit(s.second, caf::exit_reason::user_shutdown);
  CHECK(s.becomes([&] { return s.ears.lost == formed.formation; }));
  CHECK(s.becomes([&] { return s.ears.num_present == 1; }));
  s.add_second();
  CHECK(s.form().executors.size() == 2);
}

TEST_CASE("a node that is silent is given up and told so") {
  stage_of_nodes s;
  // One that plays the node, and answers nothing.
  auto deaf = s.system.spawn([&s](rank_node::pointer self) -> rank_node::behavior_type {
    return {[](const form_ranks&) { return ranks_formed{}; },
            [](const dissolve_ranks&) {},
            [self](const beat&) {
              return self->make_response_promise<heartbeat>();  // and never keeps it
            },
            [](const ranks_loaded&) {},
            [&s](const dismiss_node&) { ++s.num_left; },
            [](const ranks_made&) {}};
  });
  s.second = caf::actor_cast<caf::actor>(deaf);
  REQUIRE(s.join(deaf, s.right()) == "77");
  CHECK(s.becomes([&] { return s.num_left == 1; }));
  CHECK(s.join(deaf, s.right()) == "77");  // the number is free
}

TEST_CASE("ranks that do not meet try again, whatever kept them") {
  stage_of_nodes s;
  s.second_shop.fails = true;
  s.add_second();
  CHECK(s.form(200ms).executors.empty());
  CHECK(s.second_shop.num_made == 0);
  s.second_shop.fails = false;
  CHECK(s.form().executors.size() == 2);
}

TEST_CASE("a node that is lost while the ranks meet ends the meeting for all") {
  stage_of_nodes s;
  s.first_shop.waits = s.second_shop.waits = true;
  s.add_second();
  CHECK(s.form(100ms).executors.empty());
  CHECK(s.becomes([&] { return s.first_shop.num_waiting == 1; }));
  s.self->send_exit(s.second, caf::exit_reason::user_shutdown);
  CHECK(s.becomes([&] { return s.first_shop.num_waiting == 0; }));
  CHECK(s.becomes([&] { return s.second_shop.num_waiting == 0; }));
  CHECK(s.ears.lost == 0);  // it was never told of
  s.first_shop.waits = s.second_shop.waits = false;
  s.add_second();
  CHECK(s.form().executors.size() == 2);
}

TEST_CASE("a node outlives its group, and says that it is gone") {
  stage_of_nodes s;
  s.add_second();
  REQUIRE(s.form().executors.size() == 2);
  s.self->send_exit(s.group, caf::exit_reason::user_shutdown);
  CHECK(s.becomes([&] { return s.num_left == 1; }));
}
