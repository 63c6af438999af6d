#include "simt/warp_instructions.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace simt {
namespace {

constexpr unsigned full_mask = ~0U;

struct matrix_input {
  std::uint32_t address;
  bool is_transposed;
};

// Two neighbours of an 8 x 8 matrix, the first in the lower half.
std::uint32_t pair_of(const std::array<std::array<std::uint16_t, 8>, 8>& m, unsigned lane,
                      bool is_transposed) {
  const unsigned row = lane / 4;
  const unsigned column = lane % 4 * 2;
  const std::uint32_t low = is_transposed ? m[column][row] : m[row][column];
  const std::uint32_t high = is_transposed ? m[column + 1][row] : m[row][column + 1];
  return low | high << 16U;
}

void load_all(const lane_inputs& in, const lane_outputs& out) {
  for (unsigned i = 0; i < 4; ++i) {
    std::array<std::array<std::uint16_t, 8>, 8> m;
    for (unsigned row = 0; row < 8; ++row) {
      const auto* input = static_cast<const matrix_input*>(in[8 * i + row]);
      std::memcpy(m[row].data(), shared_at(input->address, 16), 16);
    }
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      const auto* input = static_cast<const matrix_input*>(in[lane]);
      static_cast<std::uint32_t*>(out[lane])[i] = pair_of(m, lane, input->is_transposed);
    }
  }
}

void transpose_all(const lane_inputs& in, const lane_outputs& out) {
  std::array<std::array<std::uint16_t, 8>, 8> m;
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    const std::uint32_t pair = *static_cast<const std::uint32_t*>(in[lane]);
    m[lane / 4][lane % 4 * 2] = static_cast<std::uint16_t>(pair);
    m[lane / 4][lane % 4 * 2 + 1] = static_cast<std::uint16_t>(pair >> 16U);
  }
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    *static_cast<std::uint32_t*>(out[lane]) = pair_of(m, lane, true);
  }
}

struct product_input {
  const std::uint32_t* a;
  std::uint32_t b[2];
  const float* c;
};

float half_of(std::uint32_t pair, unsigned which) {
  return std::bit_cast<float>(which == 0 ? pair << 16U : pair & 0xFFFF0000U);
}

// Lane l holds: of a, rows l / 4 and that + 8, columns 2 * (l % 4), the next, and those + 8; of b,
// the same with row and column exchanged; of c, rows l / 4 and that + 8, columns as a's first two.
void multiply_all(const lane_inputs& in, const lane_outputs& out) {
  std::array<std::array<float, 16>, 16> a;
  std::array<std::array<float, 8>, 16> b;
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    const auto* input = static_cast<const product_input*>(in[lane]);
    const unsigned row = lane / 4;
    const unsigned column = lane % 4 * 2;
    for (unsigned half = 0; half < 2; ++half) {
      a[row][column + half] = half_of(input->a[0], half);
      a[row + 8][column + half] = half_of(input->a[1], half);
      a[row][column + 8 + half] = half_of(input->a[2], half);
      a[row + 8][column + 8 + half] = half_of(input->a[3], half);
      b[column + half][row] = half_of(input->b[0], half);
      b[column + 8 + half][row] = half_of(input->b[1], half);
    }
  }
  std::array<std::array<float, 8>, 16> c{};
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned k = 0; k < 16; ++k) {
      for (unsigned n = 0; n < 8; ++n) c[row][n] += a[row][k] * b[k][n];
    }
  }
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    const auto* input = static_cast<const product_input*>(in[lane]);
    auto* result = static_cast<float*>(out[lane]);
    for (unsigned i = 0; i < 4; ++i) {
      result[i] = input->c[i] + c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
  }
}

}  // namespace

unsigned ballot(unsigned site, unsigned mask, bool vote) {
  unsigned result = 0;
  const warp_instruction instruction = [](const lane_inputs& in, const lane_outputs& out) {
    unsigned votes = 0;
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      votes |= static_cast<unsigned>(*static_cast<const bool*>(in[lane])) << lane;
    }
    for (void* result_of_lane : out) *static_cast<unsigned*>(result_of_lane) = votes;
  };
  warp_execute(instruction, site, mask, &vote, &result);
  return result;
}

void load_matrices(unsigned site, std::uint32_t (&result)[4], std::uint32_t address,
                   bool is_transposed) {
  const matrix_input input{address, is_transposed};
  warp_execute(&load_all, site, full_mask, &input, &result[0]);
}

std::uint32_t transpose(unsigned site, std::uint32_t value) {
  std::uint32_t result = 0;
  warp_execute(&transpose_all, site, full_mask, &value, &result);
  return result;
}

void multiply_add(unsigned site, float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                  std::uint32_t b1) {
  const product_input input{&a[0], {b0, b1}, &c[0]};
  warp_execute(&multiply_all, site, full_mask, &input, &c[0]);
}

}  // namespace simt
