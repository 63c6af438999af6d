#include "model/communicator.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace troupe {
namespace {

class loopback : public host_communicator {
 public:
  std::uint32_t rank() const override { return 0; }
  std::uint32_t size() const override { return 1; }
  void all_reduce(float*, std::size_t) override { check(); }
  void all_gather(const void* mine, std::size_t num_bytes, void* all) override {
    check();
    if (mine != all) std::memcpy(all, mine, num_bytes);
  }
  void broadcast(void*, std::size_t) override { check(); }
  void barrier() override { check(); }
  void abort() noexcept override { aborted_ = true; }

 private:
  void check() const {
    if (aborted_) throw device_error("The communicator was aborted.");
  }
  std::atomic<bool> aborted_{false};
};

// What the ranks share. An exchange has two phases: all arrive and publish an address; then all
// read each other's memory and leave when the last one has read. Only the first can be aborted: a
// rank that is released from it never published memory that a peer will touch, so it may free its
// own.
class meeting_place {
 public:
  explicit meeting_place(std::uint32_t size) : addresses_(size) {}

  std::uint32_t size() const { return static_cast<std::uint32_t>(addresses_.size()); }

  // Calls read(), which sees of(r) for every rank r, once all ranks have published.
  template <class Read>
  void exchange(std::uint32_t rank, const void* address, const Read& read) {
    addresses_[rank] = address;
    arrive();
    read();
    if (num_reading_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      num_reading_.notify_all();
    } else {
      wait_for_readers();
    }
  }

  template <class T>
  const T* of(std::uint32_t rank) const {
    return static_cast<const T*>(addresses_[rank]);
  }

  void abort() noexcept {
    round_.fetch_or(aborted, std::memory_order_acq_rel);
    round_.notify_all();
  }

 private:
  // Once `aborted` is set, no round completes any more: the compare-and-swap of the last rank
  // fails, so that all ranks agree whether the round was completed.
  void arrive() {
    std::uint32_t round = round_.load(std::memory_order_acquire);
    refuse_if_aborted(round);
    if (num_here_.fetch_add(1, std::memory_order_acq_rel) + 1 < size()) {
      refuse_if_aborted(wait_for_change(round));
      return;
    }
    num_here_.store(0, std::memory_order_relaxed);
    num_reading_.store(size(), std::memory_order_relaxed);
    const std::uint32_t next = (round + 1) & ~aborted;
    if (!round_.compare_exchange_strong(round, next, std::memory_order_acq_rel)) {
      refuse_if_aborted(round);
    }
    round_.notify_all();
  }

  // The value that ended the wait: a completed round, or the old one with `aborted`.
  std::uint32_t wait_for_change(std::uint32_t round) const {
    // Ranks meet within microseconds when each has a core of its own, so a short spin pays; when
    // they share cores, sleeping lets the late one run.
    for (int i = 0; i < spin_rounds; ++i) {
      const std::uint32_t now = round_.load(std::memory_order_acquire);
      if (now != round) return completed_or(now, round);
    }
    round_.wait(round, std::memory_order_acquire);
    return completed_or(round_.load(std::memory_order_acquire), round);
  }

  // An abort after the round was completed is the next round's matter.
  static std::uint32_t completed_or(std::uint32_t now, std::uint32_t round) {
    return (now & ~aborted) != round ? now & ~aborted : now;
  }

  static void refuse_if_aborted(std::uint32_t round) {
    if ((round & aborted) != 0) {
      throw device_error("A rank failed or was told to stop; the step has no result.");
    }
  }

  void wait_for_readers() const {
    for (int i = 0; i < spin_rounds; ++i) {
      if (num_reading_.load(std::memory_order_acquire) == 0) return;
    }
    for (std::uint32_t n = num_reading_.load(std::memory_order_acquire); n != 0;
         n = num_reading_.load(std::memory_order_acquire)) {
      num_reading_.wait(n, std::memory_order_acquire);
    }
  }

  static constexpr int spin_rounds = 2000;
  static constexpr std::uint32_t aborted = 1U << 31U;
  std::vector<const void*> addresses_;  // [size]
  alignas(64) std::atomic<std::uint32_t> num_here_{0};
  alignas(64) std::atomic<std::uint32_t> num_reading_{0};
  alignas(64) std::atomic<std::uint32_t> round_{0};
};

class host_rank : public host_communicator {
 public:
  host_rank(std::shared_ptr<meeting_place> place, std::uint32_t rank)
      : place_(std::move(place)), rank_(rank) {}

  std::uint32_t rank() const override { return rank_; }
  std::uint32_t size() const override { return place_->size(); }

  // The sum goes to a buffer first, because the peers still read `data` while we add.
  void all_reduce(float* data, std::size_t count) override {
    if (sum_.size() < count) sum_.resize(count);
    place_->exchange(rank_, data, [&] {
      std::copy_n(place_->of<float>(0), count, sum_.data());
      for (std::uint32_t r = 1; r < size(); ++r) add(place_->of<float>(r), count);
    });
    std::copy_n(sum_.data(), count, data);
  }

  void all_gather(const void* mine, std::size_t num_bytes, void* all) override {
    place_->exchange(rank_, mine, [&] {
      for (std::uint32_t r = 0; r < size(); ++r) {
        std::copy_n(place_->of<std::byte>(r), num_bytes,
                    static_cast<std::byte*>(all) + r * num_bytes);
      }
    });
  }

  void broadcast(void* data, std::size_t num_bytes) override {
    place_->exchange(rank_, data, [&] {
      if (rank_ == 0) return;
      std::copy_n(place_->of<std::byte>(0), num_bytes, static_cast<std::byte*>(data));
    });
  }

  void barrier() override {
    place_->exchange(rank_, nullptr, [] {});
  }
  void abort() noexcept override { place_->abort(); }

 private:
  void add(const float* peer, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) sum_[i] += peer[i];
  }

  std::shared_ptr<meeting_place> place_;
  std::uint32_t rank_;
  std::vector<float> sum_;  // grows to the largest reduction and stays
};

}  // namespace

std::unique_ptr<host_communicator> make_loopback_communicator() {
  return std::make_unique<loopback>();
}

std::vector<std::unique_ptr<host_communicator>> make_host_communicators(std::uint32_t size) {
  std::vector<std::unique_ptr<host_communicator>> ranks;
  const auto place = std::make_shared<meeting_place>(size);
  for (std::uint32_t r = 0; r < size; ++r) ranks.push_back(std::make_unique<host_rank>(place, r));
  return ranks;
}

}  // namespace troupe
