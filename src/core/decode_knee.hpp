// From how many sequences on more of them hardly make a replica faster: learned from what its steps
// took. A step that only decodes takes about `fixed + each * rows` seconds, so that the tokens per
// second grow with the rows until the second part outweighs the first.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace troupe {

class decode_knee {
 public:
  // The share of the tokens per second that --max-num-seqs rows would give.
  static constexpr double share = 0.9;

  // Only of steps without prompts and guesses, in their order.
  void note(std::uint32_t num_rows, double seconds);

  // Sequences that give that share; `max_num_seqs` while steps of two sizes at least were not seen.
  double num_seqs(std::uint32_t max_num_seqs) const;

 private:
  // The means of the steps with 2^i to 2^(i+1) - 1 rows; a size that does not come is remembered.
  struct size_class {
    double num_rows = 0, seconds = 0;
  };
  struct line {
    double fixed = 0, each = 0;  // seconds
  };
  line fit() const;

  static constexpr std::size_t num_classes = 13;  // --max-num-seqs goes up to 4096
  std::array<size_class, num_classes> classes_{};
};

}  // namespace troupe
