#include "link/rank_door.hpp"

#include <openssl/crypto.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <list>
#include <optional>

#include "link/linked_communicator.hpp"
#include "model/runner.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto look_period = 20ms;      // whether the meeting was aborted
constexpr auto knock_patience = 5s;     // for one who came, to show the token
constexpr std::size_t max_knocks = 64;  // under way at once

struct hello {
  std::array<char, 8> what{'t', 'r', 'o', 'u', 'p', 'e', ' ', '1'};
  std::array<char, meeting_token_bytes> token{};
  std::uint32_t from = 0, to = 0;  // ranks
};
using hello_bytes = std::array<std::byte, sizeof(hello)>;
static_assert(sizeof(hello) == 16 + meeting_token_bytes);

std::string name_of(std::uint32_t rank) { return "rank " + std::to_string(rank); }

hello_bytes make_hello(const rank_meeting& meeting, std::uint32_t from, std::uint32_t to) {
  hello out{.from = from, .to = to};
  if (meeting.token.size() != out.token.size())
    throw device_error("A meeting of ranks has a token of the wrong size.");
  std::ranges::copy(meeting.token, out.token.begin());
  hello_bytes bytes;
  std::memcpy(bytes.data(), &out, sizeof out);
  return bytes;
}

// Someone at the door: shakes hands, says hello, hears the same.
class knock {
 public:
  explicit knock(byte_link link) : link_(std::move(link)), until_(clock::now() + knock_patience) {}

  byte_link& link() { return link_; }
  bool is_late() const { return clock::now() > until_; }

  // What was said, once all of it is there.
  std::optional<hello> listen() {
    if (!link_.shake_hands()) return std::nullopt;
    num_heard_ += link_.receive_some(std::span(heard_).subspan(num_heard_));
    if (num_heard_ < heard_.size()) return std::nullopt;
    hello out;
    std::memcpy(&out, heard_.data(), sizeof out);
    return out;
  }
  // Some 30 bytes always fit a connection on which nothing was sent yet.
  void answer() {
    if (link_.send_some(heard_, false) != heard_.size())
      throw device_error("A rank cannot be answered.");
  }

 private:
  byte_link link_;
  clock::time_point until_;
  hello_bytes heard_{};
  std::size_t num_heard_ = 0;
};

// One process's part in one meeting.
class gathering {
 public:
  gathering(const rank_meeting& meeting, const local_ranks& here, const tls_identity* identity,
            std::chrono::milliseconds patience)
      : meeting_(meeting),
        here_(here),
        identity_(identity),
        until_(clock::now() + patience),
        links_(here.count) {
    for (auto& one : links_) one.resize(here.size);
  }

  void pair_local_ranks() {
    for (std::uint32_t low = 0; low < here_.count; ++low)
      for (std::uint32_t high = low + 1; high < here_.count; ++high) {
        auto ends = make_pair_of_sockets();
        if (!ends) throw device_error(ends.error().message + ".");
        const auto keep = [&](socket_handle end, std::uint32_t mine, std::uint32_t peer) {
          links_[mine][here_.first + peer] = std::make_unique<byte_link>(
              std::move(end), nullptr, false, name_of(here_.first + peer));
        };
        keep(std::move(ends->first), low, high);
        keep(std::move(ends->second), high, low);
      }
  }

  // Ranks below ours wait at their doors.
  void visit_lower_ranks() {
    for (std::uint32_t peer = 0; peer < here_.first; ++peer) {
      auto place = read_place(meeting_.places.at(peer / here_.count));
      if (!place) throw device_error("A meeting of ranks: " + place.error().message + ".");
      for (std::uint32_t i = 0; i < here_.count; ++i)
        links_[i][peer] = visit(*place, here_.first + i, peer);
    }
  }

  void let_in_higher_ranks(const socket_handle& listener) {
    std::list<knock> knocks;
    while (num_expected() > 0) {
      wait_at_door(listener, knocks);
      while (knocks.size() < max_knocks) {
        auto who = accept_next(listener);
        if (!who) break;
        knocks.emplace_back(byte_link(std::move(who), identity_, true, "a rank that knocks"));
      }
      for (auto it = knocks.begin(); it != knocks.end();)
        it = is_settled(*it) ? knocks.erase(it) : std::next(it);
    }
  }

  std::vector<std::unique_ptr<host_communicator>> take_communicators() {
    std::vector<std::unique_ptr<host_communicator>> out;
    for (std::uint32_t i = 0; i < here_.count; ++i)
      out.push_back(make_linked_communicator(here_.first + i, std::move(links_[i])));
    return out;
  }

 private:
  std::unique_ptr<byte_link> visit(const socket_place& place, std::uint32_t from,
                                   std::uint32_t to) {
    auto socket = begin_connect(place);
    if (!socket) throw device_error(socket.error().message + ".");
    wait(socket->get(), POLLOUT, to);
    if (auto arrived = has_arrived(*socket); !arrived)
      throw device_error("Rank " + std::to_string(to) + " at " + to_text(place) +
                         " is not there: " + arrived.error().message + ".");
    auto link = std::make_unique<byte_link>(std::move(*socket), identity_, false, name_of(to));
    while (!link->shake_hands()) wait(link->descriptor(), POLLIN, to);
    const auto said = make_hello(meeting_, from, to);
    hello_bytes heard{};
    if (link->send_some(said, false) != said.size())
      throw device_error("Rank " + std::to_string(to) + " does not listen.");
    for (std::size_t count = 0; count < heard.size();) {
      const auto more = link->receive_some(std::span(heard).subspan(count));
      if (more == 0) wait(link->descriptor(), POLLIN, to);
      count += more;
    }
    if (heard != said) throw device_error("Rank " + std::to_string(to) + " is someone else.");
    return link;
  }

  // True when there is nothing more to do with this one, whoever it was.
  bool is_settled(knock& one) {
    try {
      if (one.is_late()) return true;
      const auto said = one.listen();
      if (!said) return false;
      const bool is_known =
          CRYPTO_memcmp(said->token.data(), meeting_.token.data(), said->token.size()) == 0 &&
          said->what == hello{}.what;
      const bool is_expected = is_known && said->to >= here_.first &&
                               said->to < here_.first + here_.count && said->from < here_.size &&
                               said->from >= here_.first + here_.count &&
                               links_[said->to - here_.first][said->from] == nullptr;
      if (!is_expected) return true;
      one.answer();
      one.link().call_peer(name_of(said->from));
      links_[said->to - here_.first][said->from] =
          std::make_unique<byte_link>(std::move(one.link()));
      return true;
    } catch (const device_error&) {
      return true;  // a stranger, or a rank that will fail by itself
    }
  }

  std::size_t num_expected() const {
    std::size_t count = 0;
    for (auto& one : links_)
      count += static_cast<std::size_t>(
          std::count(one.begin() + here_.first + here_.count, one.end(), nullptr));
    return count;
  }

  void wait_at_door(const socket_handle& listener, std::list<knock>& knocks) {
    look("The ranks of the other processes");
    std::vector<pollfd> waits;
    if (knocks.size() < max_knocks)
      waits.push_back({.fd = listener.get(), .events = POLLIN, .revents = 0});
    for (auto& one : knocks)
      waits.push_back({.fd = one.link().descriptor(), .events = POLLIN, .revents = 0});
    ::poll(waits.data(), waits.size(), static_cast<int>(look_period.count()));
  }

  void wait(int descriptor, short events, std::uint32_t peer) {
    pollfd one{.fd = descriptor, .events = events, .revents = 0};
    do {
      look("Rank " + std::to_string(peer));
    } while (::poll(&one, 1, static_cast<int>(look_period.count())) == 0);
  }

  void look(const std::string& whom) const {
    if (*meeting_.is_aborted) throw device_error("The meeting of the ranks was called off.");
    if (clock::now() > until_) throw device_error(whom + " did not come in time.");
  }

  const rank_meeting& meeting_;
  const local_ranks& here_;
  const tls_identity* identity_;
  clock::time_point until_;
  std::vector<std::vector<std::unique_ptr<byte_link>>> links_;  // [local rank][rank]
};

}  // namespace

outcome<std::shared_ptr<rank_door>> rank_door::open(const std::string& host,
                                                    std::shared_ptr<const tls_identity> identity) {
  auto address = find_own_address(host);
  if (!address) return address.error();
  if (!identity && !is_loopback(*address))
    return failure{error_code::invalid_argument,
                   "needs certificates: whoever listened on the way to " + host +
                       " could read what the ranks compute"};
  auto listener = open_listener(*address);
  if (!listener) return listener.error();
  auto place = place_of(*listener);
  if (!place) return place.error();
  return std::shared_ptr<rank_door>(
      new rank_door(*std::move(listener), to_text(*place), std::move(identity)));
}

std::vector<std::unique_ptr<host_communicator>> rank_door::meet(
    const rank_meeting& meeting, const local_ranks& here, std::chrono::milliseconds patience) {
  gathering all(meeting, here, identity_.get(), patience);
  all.pair_local_ranks();
  all.visit_lower_ranks();
  all.let_in_higher_ranks(listener_);
  return all.take_communicators();
}

}  // namespace troupe
