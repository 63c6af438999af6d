// How many rows of a long prompt a step may have in which others decode: as many as leave it within
// a few times what decoding alone takes. Learned from what steps took; knows no device.
#pragma once
#include <cstdint>

namespace troupe {

struct step_shape {
  std::uint32_t prefill_tokens = 0;
  std::uint32_t decode_tokens = 0;
};

class prefill_pace {
 public:
  // The promise is less than three times, for 99 of 100 tokens.
  static constexpr double max_slowdown = 2.4;
  static constexpr std::uint32_t least_rows = 16;
  static constexpr std::uint32_t most_rows = 65'536;
  // One of so many steps goes without, to see what decoding alone takes by now.
  static constexpr std::uint32_t rounds_until_look = 32;

  // What a step took on its device, in the order of the steps.
  void observe(const step_shape& shape, double seconds);

  // For the next step.
  std::uint32_t max_rows() const {
    return num_rounds_ >= rounds_until_look ? 0 : static_cast<std::uint32_t>(rows_);
  }

 private:
  double rows_ = 32;
  double decode_seconds_ = 0;  // of a step that only decodes; 0: none was seen
  std::uint32_t num_rounds_ = 0;
};

}  // namespace troupe
