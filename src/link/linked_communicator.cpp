#include "link/linked_communicator.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "model/runner.hpp"

namespace troupe {
namespace {

// What a rank says before the bytes of an exchange: ranks that are not at the same one are a
// mistake, and must not read each other's numbers.
struct frame_head {
  std::uint32_t exchange = 0;
  std::uint32_t num_bytes = 0;
};
using head_bytes = std::array<std::byte, sizeof(frame_head)>;

// Above so many bytes each rank adds a slice for all; below, all add everything, in one round.
constexpr std::size_t max_direct_bytes = 32U << 10;

// What goes to one peer and comes from it in an exchange. A direction that is not wanted is done.
class transfer {
 public:
  transfer() = default;
  explicit transfer(byte_link* link) : link_(link) {}

  void begin(std::uint32_t exchange) {
    exchange_ = exchange;
    num_sent_ = num_received_ = num_to_send_ = num_to_receive_ = 0;
  }
  void send(std::span<const std::byte> bytes) {
    out_ = bytes;
    const frame_head head{exchange_, static_cast<std::uint32_t>(bytes.size())};
    std::memcpy(out_head_.data(), &head, sizeof head);
    num_to_send_ = sizeof head + bytes.size();
  }
  void receive(std::span<std::byte> bytes) {
    in_ = bytes;
    num_to_receive_ = sizeof(frame_head) + bytes.size();
  }

  bool is_sending() const { return num_sent_ < num_to_send_; }
  bool is_receiving() const { return num_received_ < num_to_receive_; }
  // Moves what can be moved now; false if nothing.
  bool move() {
    const auto before = num_sent_ + num_received_;
    if (is_sending()) send_some();
    if (is_receiving()) receive_some();
    return num_sent_ + num_received_ > before;
  }
  pollfd wait() const {
    const int events = (is_sending() ? POLLOUT : 0) | (is_receiving() ? POLLIN : 0);
    return {.fd = link_->descriptor(), .events = static_cast<short>(events), .revents = 0};
  }

 private:
  void send_some() {
    if (num_sent_ < out_head_.size()) {
      num_sent_ += link_->send_some(std::span(out_head_).subspan(num_sent_), !out_.empty());
      if (num_sent_ < out_head_.size()) return;
    }
    num_sent_ += link_->send_some(out_.subspan(num_sent_ - out_head_.size()), false);
  }

  void receive_some() {
    if (num_received_ < in_head_.size()) {
      num_received_ += link_->receive_some(std::span(in_head_).subspan(num_received_));
      if (num_received_ < in_head_.size()) return;
      check_head();
    }
    num_received_ += link_->receive_some(in_.subspan(num_received_ - in_head_.size()));
  }

  void check_head() const {
    frame_head head;
    std::memcpy(&head, in_head_.data(), sizeof head);
    if (head.exchange == exchange_ && head.num_bytes == in_.size()) return;
    throw device_error("Exchange " + std::to_string(exchange_) + " of " +
                       std::to_string(in_.size()) + " bytes met exchange " +
                       std::to_string(head.exchange) + " of " + std::to_string(head.num_bytes) +
                       " of " + link_->peer() + ".");
  }

  byte_link* link_ = nullptr;
  std::uint32_t exchange_ = 0;
  std::span<const std::byte> out_;
  std::span<std::byte> in_;
  head_bytes out_head_{}, in_head_{};
  std::size_t num_sent_ = 0, num_to_send_ = 0, num_received_ = 0, num_to_receive_ = 0;
};

class linked_rank : public host_communicator {
 public:
  linked_rank(std::uint32_t rank, std::vector<std::unique_ptr<byte_link>> links)
      : rank_(rank), links_(std::move(links)), transfers_(links_.size()) {
    for (std::uint32_t r = 0; r < size(); ++r)
      if (r != rank_) transfers_[r] = transfer(links_[r].get());
    waits_.reserve(size());
  }

  std::uint32_t rank() const override { return rank_; }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(links_.size()); }

  void all_reduce(float* data, std::size_t count) override {
    if (size() == 2 || count * sizeof(float) <= max_direct_bytes)
      add_all(data, count);
    else
      add_slices(data, count);
  }

  void all_gather(const void* mine, std::size_t num_bytes, void* all) override {
    const std::span own(static_cast<const std::byte*>(mine), num_bytes);
    const auto place = [&](std::uint32_t r) {
      return std::span(static_cast<std::byte*>(all) + r * num_bytes, num_bytes);
    };
    exchange([&](std::uint32_t r, transfer& peer) {
      peer.send(own);
      peer.receive(place(r));
    });
    if (place(rank_).data() != mine) std::ranges::copy(own, place(rank_).begin());
  }

  void broadcast(void* data, std::size_t num_bytes) override {
    const std::span bytes(static_cast<std::byte*>(data), num_bytes);
    exchange([&](std::uint32_t r, transfer& peer) {
      if (rank_ == 0)
        peer.send(bytes);
      else if (r == 0)
        peer.receive(bytes);
    });
  }

  void barrier() override {
    exchange([](std::uint32_t, transfer& peer) {
      peer.send({});
      peer.receive({});
    });
  }

  void abort() noexcept override {
    is_aborted_ = true;
    for (auto& link : links_)
      if (link) link->shut();
  }

 private:
  void add_all(float* data, std::size_t count) {
    make_room(count);
    exchange([&](std::uint32_t r, transfer& peer) {
      peer.send(std::as_bytes(std::span(data, count)));
      peer.receive(std::as_writable_bytes(part(r, count)));
    });
    add_in_rank_order(data, count);
    std::copy_n(sum_.data(), count, data);
  }

  // Rank r adds the r-th slice of all and tells the sums: two rounds, and less to send.
  void add_slices(float* data, std::size_t count) {
    const auto slice = [&](std::uint32_t r) {
      const std::size_t first = count * r / size();
      return std::span(data + first, count * (r + 1) / size() - first);
    };
    const auto mine = slice(rank_);
    make_room(mine.size());
    exchange([&](std::uint32_t r, transfer& peer) {
      peer.send(std::as_bytes(slice(r)));
      peer.receive(std::as_writable_bytes(part(r, mine.size())));
    });
    add_in_rank_order(mine.data(), mine.size());
    std::copy_n(sum_.data(), mine.size(), mine.data());
    exchange([&](std::uint32_t r, transfer& peer) {
      peer.send(std::as_bytes(mine));
      peer.receive(std::as_writable_bytes(slice(r)));
    });
  }

  void make_room(std::size_t count) {
    if (sum_.size() < count) sum_.resize(count);
    if (parts_.size() < count * size()) parts_.resize(count * size());
  }

  std::span<float> part(std::uint32_t r, std::size_t count) {
    return std::span(parts_).subspan(r * count, count);
  }

  void add_in_rank_order(const float* mine, std::size_t count) {
    const auto of = [&](std::uint32_t r) { return r == rank_ ? mine : part(r, count).data(); };
    std::copy_n(of(0), count, sum_.data());
    for (std::uint32_t r = 1; r < size(); ++r) {
      const float* peer = of(r);
      for (std::size_t i = 0; i < count; ++i) sum_[i] += peer[i];
    }
  }

  // `set(r, peer)` says what goes to rank r and comes from it.
  template <class Set>
  void exchange(const Set& set) {
    ++num_exchanges_;
    for (std::uint32_t r = 0; r < size(); ++r) {
      if (r == rank_) continue;
      transfers_[r].begin(num_exchanges_);
      set(r, transfers_[r]);
    }
    try {
      while (move_all()) wait();
    } catch (const device_error&) {
      refuse_if_aborted();
      throw;
    }
  }

  // Until nothing moves any more; whether something is still to be moved.
  bool move_all() {
    refuse_if_aborted();
    bool is_left = true, has_moved = true;
    while (is_left && has_moved) {
      is_left = has_moved = false;
      for (std::uint32_t r = 0; r < size(); ++r) {
        if (r == rank_) continue;
        has_moved |= transfers_[r].move();
        is_left |= transfers_[r].is_sending() || transfers_[r].is_receiving();
      }
    }
    return is_left;
  }

  void wait() {
    waits_.clear();
    for (std::uint32_t r = 0; r < size(); ++r)
      if (r != rank_ && transfers_[r].wait().events != 0) waits_.push_back(transfers_[r].wait());
    ::poll(waits_.data(), waits_.size(), -1);
  }

  void refuse_if_aborted() const {
    if (is_aborted_)
      throw device_error("A rank failed or was told to stop; the step has no result.");
  }

  std::uint32_t rank_;
  std::vector<std::unique_ptr<byte_link>> links_;  // [size]
  std::vector<transfer> transfers_;                // [size]
  std::vector<pollfd> waits_;
  std::vector<float> parts_;  // [size, count]: what the peers sent
  std::vector<float> sum_;
  std::uint32_t num_exchanges_ = 0;
  std::atomic<bool> is_aborted_{false};
};

}  // namespace

std::unique_ptr<host_communicator> make_linked_communicator(
    std::uint32_t rank, std::vector<std::unique_ptr<byte_link>> links) {
  return std::make_unique<linked_rank>(rank, std::move(links));
}

}  // namespace troupe
