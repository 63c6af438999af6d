// Ranks of several processes, as threads of one: each process has a door of its own.
#pragma once
#include <doctest/doctest.h>

#include <csignal>
#include <functional>
#include <future>
#include <thread>

#include "link/rank_door.hpp"
#include "model/runner.hpp"

namespace troupe::testing {

using ranks = std::vector<std::unique_ptr<host_communicator>>;

struct process {
  std::shared_ptr<rank_door> door;
  local_ranks here;
};

inline std::vector<process> open_doors(std::uint32_t size, std::uint32_t ranks_per_process,
                                       const std::shared_ptr<const tls_identity>& identity = {}) {
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<process> out;
  for (std::uint32_t first = 0; first < size; first += ranks_per_process) {
    auto door = rank_door::open("127.0.0.1", identity);
    REQUIRE(door);
    out.push_back({*door, {first, ranks_per_process, size}});
  }
  return out;
}

inline rank_meeting make_meeting(const std::vector<process>& all) {
  rank_meeting out;
  out.token = std::string(meeting_token_bytes, 'x');
  for (const auto& one : all) out.places.push_back(one.door->place());
  return out;
}

inline ranks meet(const std::vector<process>& all, const rank_meeting& meeting,
                  std::chrono::milliseconds patience = std::chrono::seconds(10)) {
  std::vector<std::future<ranks>> joining;
  for (const auto& one : all)
    joining.push_back(std::async(std::launch::async, [&, one] {
      rank_meeting mine = meeting;
      mine.is_aborted = std::make_shared<std::atomic<bool>>(false);
      return one.door->meet(mine, one.here, patience);
    }));
  ranks out;
  for (auto& one : joining) one.wait();
  for (auto& one : joining)
    for (auto& rank : one.get()) out.push_back(std::move(rank));
  return out;
}

inline ranks meet_all(std::uint32_t size, std::uint32_t ranks_per_process,
                      const std::shared_ptr<const tls_identity>& identity = {}) {
  const auto all = open_doors(size, ranks_per_process, identity);
  return meet(all, make_meeting(all));
}

inline void on_all(ranks& all, const std::function<void(host_communicator&)>& call) {
  std::vector<std::thread> threads;
  for (auto& rank : all) threads.emplace_back([&] { call(*rank); });
  for (auto& thread : threads) thread.join();
}

}  // namespace troupe::testing
