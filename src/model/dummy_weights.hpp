// The numbers of `--load-format dummy`: every element follows from (seed, tensor name, element
// index) by integer arithmetic and one float multiplication, so that a CPU, a GPU and an oracle in
// another language make the same model from one 64-bit seed.
//
//   all arithmetic on u64 wraps around
//   mix(x):  x ^= x >> 30;  x *= 0xBF58476D1CE4E5B9;  x ^= x >> 27;  x *= 0x94D049BB133111EB;
//            x ^= x >> 31                                             (splitmix64's finalizer)
//   name:    FNV-1a over the bytes of the tensor's name: h = 0xCBF29CE484222325,
//            then for each byte h = (h ^ byte) * 0x100000001B3
//   key   =  mix(seed + mix(name))
//   word  =  mix(key + (i + 1) * 0x9E3779B97F4A7C15)        i: row-major index within the tensor
//   sum   =  the four 16-bit parts of word, added                     0 .. 262140
//   value =  bfloat16(float32(sum - 131070) * float32(5.2858e-07))   nearest, ties to even
//
// The sum of four uniform numbers is close to normal; the factor makes its deviation 0.02. A norm's
// weights are all 1 instead. Names are Hugging Face's ("model.layers.0.mlp.up_proj.weight"); the
// shapes are the unsharded ones, so a tensor parallel rank computes the elements of its slice.
#pragma once
#include "core/numeric.hpp"

#include <cstdint>
#include <string_view>

namespace troupe {

constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

constexpr std::uint64_t dummy_key(std::uint64_t seed, std::string_view tensor_name) {
  std::uint64_t name = 0xCBF29CE484222325ULL;
  for (char c : tensor_name) name = (name ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return mix_bits(seed + mix_bits(name));
}

constexpr bfloat16 dummy_element(std::uint64_t key, std::uint64_t i) {
  const std::uint64_t word = mix_bits(key + (i + 1) * 0x9E3779B97F4A7C15ULL);
  const std::uint64_t sum =
      (word & 0xFFFFU) + ((word >> 16U) & 0xFFFFU) + ((word >> 32U) & 0xFFFFU) + (word >> 48U);
  const auto centered = static_cast<float>(static_cast<std::int32_t>(sum) - 131070);
  return to_bfloat16(centered * 5.2858e-07F);
}

}  // namespace troupe
