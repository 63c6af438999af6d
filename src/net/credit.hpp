// How many frames of a generation its reader wants to have sent. Pure.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>

namespace troupe {

class credit_account {
 public:
  // Without a number there is no end to it, and nothing to grant.
  explicit credit_account(std::optional<std::uint64_t> num_frames) : left_(num_frames) {}

  bool has_some() const { return !left_ || *left_ > 0; }
  // Pays for one frame; false if there is nothing left.
  bool take() {
    if (!has_some()) return false;
    if (left_) --*left_;
    return true;
  }
  void grant(std::uint64_t num_frames) {
    if (!left_) return;
    auto room = std::numeric_limits<std::uint64_t>::max() - *left_;
    *left_ += num_frames < room ? num_frames : room;
  }

 private:
  std::optional<std::uint64_t> left_;
};

}  // namespace troupe
