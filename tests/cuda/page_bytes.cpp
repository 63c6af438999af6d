#include "cuda/page_bytes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/numeric.hpp"

namespace troupe::cuda {
namespace {

constexpr std::uint8_t largest_byte = 0x7E;

}  // namespace

double e4m3_value(std::uint8_t byte) {
  const int exponent = byte >> 3U & 15U;
  const int fraction = byte & 7U;
  if (exponent == 15 && fraction == 7) return std::numeric_limits<double>::quiet_NaN();
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return byte >= 0x80 ? -magnitude : magnitude;
}

std::uint8_t nearest_e4m3(double x) {
  const std::uint8_t sign = std::signbit(x) ? 0x80 : 0;
  if (std::isnan(x)) return sign | 0x7F;
  std::uint8_t best = 0;
  double least = std::abs(x);
  for (std::uint8_t byte = 1; byte <= largest_byte; ++byte) {
    const double away = std::abs(std::abs(x) - e4m3_value(byte));
    if (away < least || (away == least && byte % 2 == 0)) {
      best = byte;
      least = away;
    }
  }
  return sign | best;
}

int row_power(std::span<const float> row) {
  double largest = 0;
  for (const float x : row) largest = std::max(largest, std::abs(static_cast<double>(x)));
  int power = -100;
  while (power < 7 && largest > std::ldexp(e4m3_value(largest_byte), power)) ++power;
  return power;
}

std::vector<std::byte> to_pages(kv_format format, std::span<const float> rows,
                                std::uint32_t head_dim) {
  const std::size_t page_bytes = head_page_bytes(format, head_dim);
  const std::size_t num_rows = rows.size() / head_dim;
  std::vector<std::byte> out(num_rows / page_size_tokens * page_bytes, std::byte{0xFF});
  for (std::size_t r = 0; r < num_rows; ++r) {
    const auto row = rows.subspan(r * head_dim, head_dim);
    std::byte* page = out.data() + r / page_size_tokens * page_bytes;
    const std::size_t token = r % page_size_tokens;
    if (std::isnan(row[0])) continue;
    const int power = row_power(row);
    for (std::size_t i = 0; i < head_dim; ++i) {
      const std::size_t at = token * head_dim + i;
      if (format == kv_format::bf16) {
        const bfloat16 x = to_bfloat16(row[i]);
        std::memcpy(page + 2 * at, &x, sizeof x);
      } else {
        page[at] = std::byte{nearest_e4m3(std::ldexp(static_cast<double>(row[i]), -power))};
      }
    }
    if (format == kv_format::bf16) continue;
    page[std::size_t{page_size_tokens} * head_dim + token] = static_cast<std::byte>(power + 127);
  }
  return out;
}

std::vector<float> from_pages(kv_format format, std::span<const std::byte> pages,
                              std::uint32_t head_dim) {
  const std::size_t page_bytes = head_page_bytes(format, head_dim);
  std::vector<float> out;
  for (std::size_t first = 0; first < pages.size(); first += page_bytes) {
    const auto page = pages.subspan(first, page_bytes);
    for (std::size_t at = 0; at < std::size_t{page_size_tokens} * head_dim; ++at) {
      if (format == kv_format::bf16) {
        bfloat16 x;
        std::memcpy(&x, page.data() + 2 * at, sizeof x);
        out.push_back(to_float(x));
        continue;
      }
      const auto power = static_cast<int>(page[page_size_tokens * head_dim + at / head_dim]) - 127;
      const double x = e4m3_value(static_cast<std::uint8_t>(page[at]));
      out.push_back(static_cast<float>(std::ldexp(x, power)));
    }
  }
  return out;
}

}  // namespace troupe::cuda
