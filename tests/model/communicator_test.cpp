#include "model/communicator.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

using namespace troupe;

namespace {

using ranks = std::vector<std::unique_ptr<host_communicator>>;

void on_all(ranks& all, const std::function<void(host_communicator&)>& call) {
  std::vector<std::thread> threads;
  for (auto& rank : all) threads.emplace_back([&] { call(*rank); });
  for (auto& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("all_reduce adds in rank order and gives every rank the same bits") {
  ranks all = make_host_communicators(3);
  // (1e8 + 1) - 1e8 is 0 in float32, 1e8 - 1e8 + 1 would be 1: the order shows.
  const std::vector<float> mine{1e8F, 1.0F, -1e8F};
  std::vector<std::vector<float>> sums(3);
  on_all(all, [&](host_communicator& c) {
    for (int round = 0; round < 200; ++round) {
      std::vector<float> data{mine[c.rank()], static_cast<float>(c.rank() + 1)};
      c.all_reduce(data.data(), data.size());
      sums[c.rank()] = data;
    }
  });
  for (const auto& sum : sums) CHECK(sum == std::vector{0.0F, 6.0F});
}

TEST_CASE("all_gather and broadcast bring the ranks' bytes") {
  ranks all = make_host_communicators(4);
  on_all(all, [](host_communicator& c) {
    const std::uint32_t mine = 10 + c.rank();
    std::vector<std::uint32_t> gathered(4);
    c.all_gather(&mine, sizeof(mine), gathered.data());
    std::uint32_t word = mine;
    c.broadcast(&word, sizeof(word));
    c.barrier();
    if (gathered != std::vector<std::uint32_t>{10, 11, 12, 13} || word != 10) std::abort();
  });
  CHECK(all.size() == 4);
}

TEST_CASE("one rank needs nobody") {
  const auto alone = make_loopback_communicator();
  float x = 3;
  alone->all_reduce(&x, 1);
  float gathered = 0;
  alone->all_gather(&x, sizeof(x), &gathered);
  CHECK(x == 3);
  CHECK(gathered == 3);
  CHECK(alone->size() == 1);
  alone->abort();
  CHECK_THROWS_AS(alone->barrier(), device_error);
}

TEST_CASE("abort releases waiting ranks, those that sleep and those that come later") {
  ranks all = make_host_communicators(3);
  std::atomic<int> released{0};
  const auto wait = [&](host_communicator& c) {
    try {
      c.barrier();
    } catch (const device_error&) {
      ++released;
    }
  };
  std::thread first([&] { wait(*all[0]); });
  std::thread second([&] { wait(*all[1]); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // long enough to sleep
  CHECK(released == 0);
  all[2]->abort();
  first.join();
  second.join();
  CHECK(released == 2);
  wait(*all[2]);
  CHECK(released == 3);
}

TEST_CASE("a completed exchange is unharmed by an abort at any moment") {
  for (int trial = 0; trial < 300; ++trial) {
    ranks all = make_host_communicators(2);
    std::atomic<int> wrong{0};
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(trial));
      all[0]->abort();
    });
    on_all(all, [&](host_communicator& c) {
      try {
        for (;;) {
          // Freed when the exchange throws: a peer that still read it would show under a sanitizer.
          std::vector<float> data(64, static_cast<float>(c.rank() + 1));
          c.all_reduce(data.data(), data.size());
          for (float x : data) wrong += x == 3.0F ? 0 : 1;
        }
      } catch (const device_error&) {
      }
    });
    killer.join();
    CHECK(wrong == 0);
  }
}
