// What a warp does together: shuffles, votes and the tensor cores' instructions, as PTX defines
// them lane by lane.
#pragma once
#include <cstdint>

#include "simt/machine.hpp"

namespace simt {

// The value of another lane.
template <class T>
T shuffle(unsigned site, unsigned mask, T value, unsigned source_lane) {
  struct input {
    T value;
    unsigned source_lane;
  };
  const input mine{value, source_lane};
  T result{};
  const warp_instruction instruction = [](const lane_inputs& in, const lane_outputs& out) {
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      const unsigned source = static_cast<const input*>(in[lane])->source_lane;
      *static_cast<T*>(out[lane]) = static_cast<const input*>(in[source])->value;
    }
  };
  warp_execute(instruction, site, mask, &mine, &result);
  return result;
}

// Bit i: the vote of lane i.
unsigned ballot(unsigned site, unsigned mask, bool vote);

// ldmatrix.x4: lane 8 * i + r brings the address of row r of the 8 x 8 matrix i of 16-bit values;
// lane l gets values 2 * (l % 4) and the next of row l / 4 of each, or of each one's transpose.
void load_matrices(unsigned site, std::uint32_t (&result)[4], std::uint32_t address,
                   bool is_transposed);
// movmatrix: the transpose of an 8 x 8 matrix spread over the lanes in that way.
std::uint32_t transpose(unsigned site, std::uint32_t value);
// mma.m16n8k16 of bfloat16: c += a * b in float32.
void multiply_add(unsigned site, float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                  std::uint32_t b1);

}  // namespace simt
