#include "simt/async_products.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "simt/engines.hpp"

namespace simt {
namespace {

constexpr unsigned inner = 16;      // what a multiplication sums over
constexpr unsigned warp_rows = 16;  // of the warpgroup's 64
constexpr unsigned panel_columns = 64;
constexpr unsigned max_n = 256;

// The parts of a descriptor, in bytes.
struct matrix_place {
  explicit matrix_place(std::uint64_t descriptor)
      : start(static_cast<std::uint32_t>(descriptor & 0x3FFFU) << 4U),
        leading(static_cast<std::uint32_t>(descriptor >> 16U & 0x3FFFU) << 4U),
        stride(static_cast<std::uint32_t>(descriptor >> 32U & 0x3FFFU) << 4U),
        base_offset(static_cast<unsigned>(descriptor >> 49U & 7U)),
        mode(static_cast<unsigned>(descriptor >> 62U)) {}

  // Of element `at` of the 16 that are summed over, of row `line`: those 16 lie side by side.
  std::uint32_t inner_first(unsigned line, unsigned at) const {
    return in_pattern(start + line / 8 * stride + line % 8 * 128 + at * 2);
  }
  // The lines lie side by side, 64 of them in a panel.
  std::uint32_t line_first(unsigned line, unsigned at) const {
    return in_pattern(start + line / panel_columns * leading + line % panel_columns * 2 +
                      at / 8 * stride + at % 8 * 128);
  }
  static std::uint32_t in_pattern(std::uint32_t place) { return place ^ (place >> 7U & 7U) << 4U; }
  std::uint32_t place(bool has_lines_first, unsigned line, unsigned at) const {
    return has_lines_first ? line_first(line, at) : inner_first(line, at);
  }

  std::uint32_t start;
  std::uint32_t leading;
  std::uint32_t stride;
  unsigned base_offset;
  unsigned mode;
};

void check_matrix(std::uint64_t descriptor, unsigned lines, bool has_lines_first,
                  std::size_t size) {
  const matrix_place matrix(descriptor);
  constexpr unsigned patterns_of_128_bytes = 1;
  if (matrix.mode != patterns_of_128_bytes) fault("a matrix in no pattern of 128 bytes");
  if (matrix.base_offset != 0 || (matrix.start >> 7U & 7U) != 0) {
    fault("a matrix that begins within a pattern");
  }
  const std::uint32_t last = has_lines_first ? matrix.line_first(lines - 1, inner - 1)
                                             : matrix.inner_first(lines - 1, inner - 1);
  if (last + 2 > size) fault("a matrix past the end of shared memory");
}

float number_at(const std::vector<std::byte>& memory, std::uint32_t place) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, memory.data() + place, sizeof bits);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

using left_numbers = std::array<std::array<float, inner>, warp_rows>;

// Lane l has rows l / 4 and that + 8, columns 2 * (l % 4), the next, and those + 8.
left_numbers from_fragments(const std::array<const std::uint32_t*, warp_size>& lanes) {
  left_numbers out{};
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = lane / 4 + i % 2 * 8;
      const unsigned column = lane % 4 * 2 + i / 2 * 8;
      out[row][column] = std::bit_cast<float>(lanes[lane][i] << 16U);
      out[row][column + 1] = std::bit_cast<float>(lanes[lane][i] & 0xFFFF0000U);
    }
  }
  return out;
}

left_numbers from_memory(const std::vector<std::byte>& memory, std::uint64_t descriptor,
                         unsigned warp) {
  const matrix_place matrix(descriptor);
  left_numbers out{};
  for (unsigned row = 0; row < warp_rows; ++row) {
    for (unsigned k = 0; k < inner; ++k) {
      out[row][k] = number_at(memory, matrix.inner_first(warp * warp_rows + row, k));
    }
  }
  return out;
}

// sums [16, n] += left * b, each sum of 16 products first.
void add_product(std::vector<float>& sums, unsigned n, const left_numbers& left,
                 const std::vector<std::byte>& memory, std::uint64_t descriptor,
                 bool has_lines_first) {
  const matrix_place matrix(descriptor);
  constexpr unsigned width = 8;
  for (unsigned first = 0; first < n; first += width) {
    std::array<std::array<float, width>, inner> b;
    for (unsigned k = 0; k < inner; ++k) {
      for (unsigned i = 0; i < width; ++i) {
        b[k][i] = number_at(memory, matrix.place(has_lines_first, first + i, k));
      }
    }
    for (unsigned row = 0; row < warp_rows; ++row) {
      std::array<float, width> added{};
      for (unsigned k = 0; k < inner; ++k) {
        for (unsigned i = 0; i < width; ++i) added[i] += left[row][k] * b[k][i];
      }
      for (unsigned i = 0; i < width; ++i) sums[row * n + first + i] += added[i];
    }
  }
}

// Where a lane's register i stands in [16, n].
std::size_t sum_place(unsigned lane, unsigned i, unsigned n) {
  return std::size_t{lane / 4 + i / 2 % 2 * 8} * n + i / 4 * 8 + lane % 4 * 2 + i % 2;
}

bool is_same(const async_product& x, const async_product& y) {
  return x.n == y.n && (x.a == nullptr) == (y.a == nullptr) && x.a_matrix == y.a_matrix &&
         x.b_matrix == y.b_matrix && x.adds == y.adds;
}

bool is_poison(const float& x) { return std::bit_cast<std::uint32_t>(x) == ~0U; }

warp_products& products_of_warp() { return engines_of_block().products[warp_index()]; }

// All lanes of the running thread's warp, once for all of them.
template <class Input>
void as_warp(unsigned site, const Input& input,
             void (*instruction)(const lane_inputs&, const lane_outputs&)) {
  warp_execute(instruction, site, ~0U, &input, nullptr);
}

}  // namespace

void warp_products::take_sums(const std::array<async_product, warp_size>& lanes) {
  const async_product& first = lanes[0];
  const auto [found, is_new] = sums_.try_emplace(first.c);
  sums_under_way& sums = found->second;
  sums.last_product = products_.size();
  if (!is_new && sums.n != first.n) fault("sums of another shape that are still under way");
  if (!is_new) return;
  if (!is_fenced_) fault("registers that no fence handed to the multiplications");
  sums.n = first.n;
  sums.values.resize(std::size_t{warp_rows} * first.n);
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    sums.registers[lane] = lanes[lane].c;
    for (unsigned i = 0; i < first.n / 2; ++i) {
      sums.values[sum_place(lane, i, first.n)] = lanes[lane].c[i];
    }
    std::memset(lanes[lane].c, 0xFF, first.n / 2 * sizeof(float));
  }
}

void warp_products::start(const std::array<async_product, warp_size>& lanes, unsigned warp) {
  warp_ = warp;
  const async_product& first = lanes[0];
  for (const async_product& each : lanes) {
    if (!is_same(each, first)) fault("lanes that multiply different matrices");
  }
  if (first.n % 8 != 0 || first.n == 0 || first.n > max_n) fault("such a number of columns");
  const bool has_lines_first = first.a != nullptr;
  check_matrix(first.b_matrix, first.n, has_lines_first, memory->size());
  if (first.a == nullptr) {
    check_matrix(first.a_matrix, warps_per_group * warp_rows, false, memory->size());
  } else if (!is_fenced_) {
    fault("registers that no fence handed to the multiplications");
  }
  take_sums(lanes);
  products_.push_back(first);
  auto& fragments = fragments_.emplace_back();
  for (unsigned lane = 0; lane < warp_size; ++lane) fragments[lane] = lanes[lane].a;
  compute_perhaps();
}

void warp_products::compute(std::size_t end) {
  for (; num_computed_ < end; ++num_computed_) {
    const async_product& product = products_[num_computed_];
    sums_under_way& sums = sums_.at(product.c);
    if (!product.adds) std::ranges::fill(sums.values, 0.0F);
    const left_numbers left = product.a != nullptr ? from_fragments(fragments_[num_computed_])
                                                   : from_memory(*memory, product.a_matrix, warp_);
    add_product(sums.values, product.n, left, *memory, product.b_matrix, product.a != nullptr);
  }
}

void warp_products::give_back(const sums_under_way& sums) {
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    float* registers = sums.registers[lane];
    if (!std::all_of(registers, registers + sums.n / 2, is_poison)) {
      fault("registers that were written while a multiplication had them");
    }
    for (unsigned i = 0; i < sums.n / 2; ++i) {
      registers[i] = sums.values[sum_place(lane, i, sums.n)];
    }
  }
}

void warp_products::await(unsigned groups_left) {
  is_fenced_ = false;
  if (group_ends_.size() <= groups_left) return;
  const std::size_t end = group_ends_[group_ends_.size() - groups_left - 1];
  group_ends_.erase(group_ends_.begin(),
                    group_ends_.end() - static_cast<std::ptrdiff_t>(groups_left));
  compute(end);
  std::erase_if(sums_, [&](const auto& entry) {
    if (entry.second.last_product >= end) return false;
    give_back(entry.second);
    return true;
  });
}

void begin_products(unsigned site) {
  as_warp(site, 0, [](const lane_inputs&, const lane_outputs&) { products_of_warp().begin(); });
}

void commit_products(unsigned site) {
  as_warp(site, 0, [](const lane_inputs&, const lane_outputs&) { products_of_warp().commit(); });
}

void await_products(unsigned site, unsigned groups_left) {
  as_warp(site, groups_left, [](const lane_inputs& in, const lane_outputs&) {
    products_of_warp().await(*static_cast<const unsigned*>(in[0]));
  });
}

void multiply_async(unsigned site, const async_product& product) {
  as_warp(site, product, [](const lane_inputs& in, const lane_outputs&) {
    std::array<async_product, warp_size> lanes;
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      lanes[lane] = *static_cast<const async_product*>(in[lane]);
    }
    warp_products& mine = products_of_warp();
    mine.start(lanes, warp_index() % warps_per_group);
    // The warps of a warpgroup multiply the same, one after the other.
    const std::size_t number = mine.products().size() - 1;
    const unsigned leader = warp_index() / warps_per_group * warps_per_group;
    for (unsigned other = leader; other < leader + warps_per_group; ++other) {
      if (other >= engines_of_block().products.size()) fault("no whole warpgroup");
      const auto& others = engines_of_block().products[other].products();
      if (others.size() > number && !is_same(others[number], lanes[0])) {
        fault("warps of a warpgroup that multiply different matrices");
      }
    }
  });
}

}  // namespace simt
