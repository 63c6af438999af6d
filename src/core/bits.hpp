// Mixing of 64-bit words, the same on every machine.
#pragma once
#include <cstdint>

namespace troupe {

// The finaliser of SplitMix64: every input bit reaches every output bit; a bijection.
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Added before a mix, it keeps zero from staying zero.
inline constexpr std::uint64_t golden_bits = 0x9e3779b97f4a7c15ULL;

}  // namespace troupe
