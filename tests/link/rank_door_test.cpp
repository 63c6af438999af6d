#include "link/rank_door.hpp"

#include <sys/socket.h>

#include <filesystem>

#include "certificates.hpp"
#include "meeting.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

// What each process hears that does not find the others.
std::string failure_of(const std::vector<process>& all, const rank_meeting& meeting,
                       std::chrono::milliseconds patience) {
  try {
    static_cast<void>(meet(all, meeting, patience));
  } catch (const device_error& error) {
    return error.what();
  }
  return {};
}

socket_handle connect_to(const std::string& where) {
  const auto place = read_place(where);
  REQUIRE(place);
  auto socket = begin_connect(*place);
  REQUIRE(socket);
  return *std::move(socket);
}

}  // namespace

TEST_CASE("places are read and written") {
  const auto place = read_place("[::1]:7070");
  REQUIRE(place);
  CHECK(place->host == "::1");
  CHECK(place->port == 7070);
  CHECK(to_text(*place) == "[::1]:7070");
  CHECK(to_text({"10.0.0.7", 1}) == "10.0.0.7:1");
  for (const char* wrong : {"", ":1", "host", "host:", "host:x", "host:65536", "host:1x"})
    CHECK_FALSE(read_place(wrong));
  CHECK(is_loopback("127.3.2.1"));
  CHECK(is_loopback("::1"));
  CHECK_FALSE(is_loopback("10.0.0.7"));
  CHECK_FALSE(is_loopback("localhost.example.com"));
}

TEST_CASE("without certificates a door is on the loopback interface only") {
  const auto here = rank_door::open("127.0.0.1", nullptr);
  REQUIRE(here);
  CHECK((*here)->place().starts_with("127.0.0.1:"));
  const auto elsewhere = rank_door::open("192.0.2.7", nullptr);
  CHECK_FALSE(elsewhere);
}

TEST_CASE("strangers at a door are sent away and hold nobody up") {
  const auto all = open_doors(2, 1);
  const auto meeting = make_meeting(all);
  // One says nothing, one says something else, one came with a token of before.
  const auto silent = connect_to(meeting.places[0]);
  const auto loud = connect_to(meeting.places[0]);
  const auto late = connect_to(meeting.places[0]);
  const std::string noise(100, '?');
  std::string old = "troupe 1" + std::string(meeting_token_bytes, 'o') + std::string("\1\0\0\0", 4);
  old += std::string(4, '\0');
  CHECK(::send(loud.get(), noise.data(), noise.size(), MSG_NOSIGNAL) == 100);
  CHECK(::send(late.get(), old.data(), old.size(), MSG_NOSIGNAL) == 32);
  ranks both = meet(all, meeting);
  CHECK(both.size() == 2);
  on_all(both, [](host_communicator& c) { c.barrier(); });
}

TEST_CASE("a process that never comes is waited for so long") {
  auto all = open_doors(2, 1);
  const auto meeting = make_meeting(all);
  CHECK(failure_of({all[0]}, meeting, 50ms) ==
        "The ranks of the other processes did not come in time.");
  // Its door is there, and nobody opens.
  const std::vector second{all[1]};
  CHECK(failure_of(second, meeting, 50ms) == "Rank 0 did not come in time.");
  all[0].door.reset();
  const auto heard = failure_of(second, meeting, 5s);
  CHECK(heard == "Rank 0 at " + meeting.places[0] + " is not there: Connection refused.");
}

TEST_CASE("a meeting that is called off ends at once") {
  const auto all = open_doors(2, 1);
  for (const auto& one : all) {
    rank_meeting meeting = make_meeting(all);
    auto waiting = std::async(std::launch::async, [&] { one.door->meet(meeting, one.here, 20s); });
    CHECK(waiting.wait_for(50ms) == std::future_status::timeout);
    *meeting.is_aborted = true;
    CHECK_THROWS_WITH_AS(waiting.get(), "The meeting of the ranks was called off.", device_error);
  }
}

TEST_CASE("ranks with another token, or of another authority, do not meet") {
  const auto folder = std::filesystem::temp_directory_path() / "troupe_door_test";
  std::filesystem::create_directories(folder);
  const auto ours = tls_identity::load(make_certificate(folder, "ours"));
  const auto theirs = tls_identity::load(make_certificate(folder, "theirs"));
  REQUIRE(ours);
  REQUIRE(theirs);
  auto all = open_doors(2, 1, *ours);
  const auto meeting = make_meeting(all);
  const auto try_to_meet = [&](const process& second, const rank_meeting& its) {
    auto first =
        std::async(std::launch::async, [&] { return failure_of({all[0]}, meeting, 300ms); });
    const auto heard = failure_of({second}, its, 300ms);
    CHECK(first.get() == "The ranks of the other processes did not come in time.");
    return heard;
  };
  rank_meeting other = meeting;
  other.token.front() = 'y';
  CHECK(try_to_meet(all[1], other) == "The connection to rank 0 failed: the connection ended.");
  const auto strange = open_doors(2, 1, *theirs);
  CHECK(try_to_meet(strange[1], meeting).find("certificate") != std::string::npos);
  const auto plain = open_doors(2, 1);
  CHECK_FALSE(try_to_meet(plain[1], meeting).empty());
  std::filesystem::remove_all(folder);
}

TEST_CASE("files that are no certificates are named") {
  const auto folder = std::filesystem::temp_directory_path() / "troupe_identity_test";
  std::filesystem::create_directories(folder);
  auto files = make_certificate(folder, "ours");
  CHECK(tls_identity::load(files));
  for (auto tls_files::*each : {&tls_files::cert, &tls_files::key, &tls_files::ca}) {
    auto wrong = files;
    wrong.*each = folder / "nothing.pem";
    const auto loaded = tls_identity::load(wrong);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().field == wrong.*each);
  }
  std::filesystem::remove_all(folder);
}
