#include "link/linked_communicator.hpp"

#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <random>

#include "certificates.hpp"
#include "meeting.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

// Numbers whose sum depends on the order in which they are added.
std::vector<float> numbers_of(std::uint32_t rank, std::size_t count) {
  std::mt19937 random(rank + 1);
  std::uniform_real_distribution<float> draw(-1.0F, 1.0F);
  std::vector<float> out(count);
  for (auto& x : out) x = draw(random) * (rank % 2 == 0 ? 1e4F : 1e-3F);
  return out;
}

struct results {
  std::vector<std::vector<float>> sums;
  std::vector<std::vector<std::uint32_t>> gathered;
  std::vector<std::uint32_t> words;
  bool operator==(const results&) const = default;
};

results run_operations(ranks& all, std::size_t count) {
  const auto size = all.size();
  results out{std::vector<std::vector<float>>(size), std::vector<std::vector<std::uint32_t>>(size),
              std::vector<std::uint32_t>(size)};
  on_all(all, [&](host_communicator& c) {
    for (int round = 0; round < 3; ++round) {
      auto data = numbers_of(c.rank(), count);
      c.all_reduce(data.data(), data.size());
      out.sums[c.rank()] = data;
      const std::vector<std::uint32_t> mine(count, 10 + c.rank());
      std::vector<std::uint32_t> gathered(count * size);
      c.all_gather(mine.data(), count * sizeof(std::uint32_t), gathered.data());
      out.gathered[c.rank()] = gathered;
      std::uint32_t word = 10 + c.rank();
      c.broadcast(&word, sizeof word);
      c.broadcast(nullptr, 0);
      c.barrier();
      out.words[c.rank()] = word;
    }
  });
  return out;
}

struct pair_of_ranks {
  std::unique_ptr<host_communicator> rank;
  socket_handle peer;
};

// Rank 0, and the raw end of what it takes for rank 1.
pair_of_ranks make_rank_with_raw_peer() {
  auto ends = make_pair_of_sockets();
  REQUIRE(ends);
  std::vector<std::unique_ptr<byte_link>> links(2);
  links[1] = std::make_unique<byte_link>(std::move(ends->first), nullptr, false, "rank 1");
  return {make_linked_communicator(0, std::move(links)), std::move(ends->second)};
}

std::string failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const device_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("linked ranks add, gather and tell what ranks that share memory do, bit for bit") {
  for (const auto& [size, per_process] :
       {std::pair{2U, 1U}, {4U, 1U}, {4U, 2U}, {8U, 4U}, {2U, 2U}}) {
    ranks linked = meet_all(size, per_process);
    ranks sharing = make_host_communicators(size);
    // Some are added by all, some by slices, some by slices of unequal lengths.
    for (const std::size_t count : {1U, 7U, 8192U, 8193U, 100'003U}) {
      CAPTURE(size);
      CAPTURE(per_process);
      CAPTURE(count);
      CHECK(run_operations(linked, count) == run_operations(sharing, count));
    }
  }
}

TEST_CASE("over TLS they do the same") {
  const auto folder = std::filesystem::temp_directory_path() / "troupe_link_test";
  std::filesystem::create_directories(folder);
  const auto identity = tls_identity::load(make_certificate(folder, "ours"));
  REQUIRE(identity);
  ranks linked = meet_all(4, 2, *identity);
  ranks sharing = make_host_communicators(4);
  for (const std::size_t count : {3U, 100'003U})
    CHECK(run_operations(linked, count) == run_operations(sharing, count));
  std::filesystem::remove_all(folder);
}

TEST_CASE("an abort of one rank releases all, those that wait and those that come later") {
  for (const std::uint32_t per_process : {1U, 3U}) {
    ranks all = meet_all(3, per_process);
    std::atomic<int> num_released{0};
    const auto wait = [&](host_communicator& c) {
      num_released += failure_of([&] { c.barrier(); }).empty() ? 0 : 1;
    };
    std::thread first([&] { wait(*all[0]); });
    std::thread second([&] { wait(*all[1]); });
    std::this_thread::sleep_for(20ms);
    CHECK(num_released == 0);
    all[2]->abort();
    first.join();
    second.join();
    CHECK(num_released == 2);
    CHECK(failure_of([&] { all[2]->barrier(); }) ==
          "A rank failed or was told to stop; the step has no result.");
  }
}

TEST_CASE("a completed sum is unharmed by an abort at any moment") {
  for (int trial = 0; trial < 100; ++trial) {
    ranks all = meet_all(2, 2);
    std::atomic<int> wrong{0};
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(10 * trial));
      all[trial % 2]->abort();
    });
    on_all(all, [&](host_communicator& c) {
      static_cast<void>(failure_of([&] {
        for (;;) {
          std::vector<float> data(50'000, static_cast<float>(c.rank() + 1));
          c.all_reduce(data.data(), data.size());
          for (float x : data) wrong += x == 3.0F ? 0 : 1;
        }
      }));
    });
    killer.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("a peer that ends in the middle of a message is named") {
  auto [rank, peer] = make_rank_with_raw_peer();
  const std::vector<std::uint32_t> half{1, 16, 7, 7};  // exchange 1, 16 bytes, of which 8 follow
  REQUIRE(::send(peer.get(), half.data(), 16, 0) == 16);
  auto waiting = std::async(std::launch::async, [&rank = rank] {
    std::vector<float> data(4);
    return failure_of([&] { rank->all_reduce(data.data(), data.size()); });
  });
  CHECK(waiting.wait_for(50ms) == std::future_status::timeout);
  std::vector<std::byte> said(64);
  CHECK(::recv(peer.get(), said.data(), said.size(), 0) == 24);  // unread, it would be a reset
  peer = socket_handle();
  CHECK(waiting.get() == "The connection to rank 1 failed: the connection ended.");
}

TEST_CASE("ranks at different exchanges do not read each other's numbers") {
  auto [rank, peer] = make_rank_with_raw_peer();
  const std::vector<std::uint32_t> other{2, 16, 0, 0, 0, 0};
  REQUIRE(::send(peer.get(), other.data(), 24, 0) == 24);
  std::vector<float> data(4);
  CHECK(failure_of([&] { rank->all_reduce(data.data(), data.size()); }) ==
        "Exchange 1 of 16 bytes met exchange 2 of 16 of rank 1.");
}
