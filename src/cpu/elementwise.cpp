// Operations on one row: norm, activation, making an operand of it.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "cpu/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/elementwise.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include "cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {
namespace {

// Sixteen interleaved partial sums, then one fixed tree; a missing tail counts as zeros.
float sum_of_squares(const float* x, std::uint32_t width) {
  const float_tag d;
  float_vector sums[group_vectors];
  for (auto& s : sums) s = hn::Zero(d);
  std::uint32_t i = 0;
  for (; i + group_lanes <= width; i += group_lanes) {
    for (std::size_t v = 0; v < group_vectors; ++v) {
      const auto value = hn::LoadU(d, x + i + v * vector_lanes);
      sums[v] = hn::MulAdd(value, value, sums[v]);
    }
  }
  alignas(64) float tail[group_lanes] = {};
  for (std::uint32_t t = 0; i + t < width; ++t) tail[t] = x[i + t];
  alignas(64) float lanes[group_lanes];
  for (std::size_t v = 0; v < group_vectors; ++v) {
    const auto value = hn::LoadU(d, tail + v * vector_lanes);
    hn::StoreU(hn::MulAdd(value, value, sums[v]), d, lanes + v * vector_lanes);
  }
  return sum_of_group(lanes);
}

// Calls body(values) for whole vectors and, for what remains, on copies filled up with zeros;
// body answers a vector, which goes to out.
template <class Format, std::size_t kInputs, class Body>
HWY_INLINE void map_row(const float* const (&inputs)[kInputs], std::uint32_t width,
                        std::uint32_t* out, const Body& body) {
  const float_tag d;
  std::uint32_t i = 0;
  float_vector values[kInputs];
  for (; i + vector_lanes <= width; i += vector_lanes) {
    for (std::size_t k = 0; k < kInputs; ++k) values[k] = hn::LoadU(d, inputs[k] + i);
    Format::store(body(values), out, i);
  }
  constexpr std::uint32_t per_word = Format::elements_per_word;
  if constexpr (vector_lanes < per_word) {
    if (width % per_word != 0) out[width / per_word] &= 0xFFFFU;
  }
  if (i == width) return;
  alignas(64) float tail[kInputs][group_lanes] = {};
  for (std::size_t k = 0; k < kInputs; ++k) {
    for (std::uint32_t t = 0; i + t < width; ++t) tail[k][t] = inputs[k][i + t];
    values[k] = hn::LoadU(d, tail[k]);
  }
  alignas(64) std::uint32_t results[group_lanes] = {};
  Format::store(body(values), results, 0);
  // Every body makes zero of zeros: that is an odd width's last half word.
  std::copy_n(results, (width - i + per_word - 1) / per_word, out + i / per_word);
}

template <std::size_t kInputs, class Body>
HWY_INLINE void map_operand(const float* const (&inputs)[kInputs], std::uint32_t width, dtype type,
                            std::uint32_t* out, const Body& body) {
  if (type == dtype::float32) {
    map_row<float32_format>(inputs, width, out, body);
  } else {
    map_row<bfloat16_format>(inputs, width, out, body);
  }
}

}  // namespace

void norm_row(const norm_args& args, dtype type, std::uint32_t* out) {
  if (args.addend != nullptr) {
    const float* const terms[2] = {args.residual, args.addend};
    map_row<float32_format>(terms, args.width, reinterpret_cast<std::uint32_t*>(args.residual),
                            [](const auto& v) HWY_ATTR { return hn::Add(v[0], v[1]); });
  }
  const float mean = sum_of_squares(args.residual, args.width) / static_cast<float>(args.width);
  const float inverse = 1.0F / std::sqrt(mean + args.eps);
  const float* const factors[2] = {args.residual, args.weight};
  map_operand(factors, args.width, type, out,
              [&](const auto& v) HWY_ATTR { return hn::Mul(hn::Mul(v[0], splat(inverse)), v[1]); });
}

void silu_row(const float* gate, const float* up, std::uint32_t width, dtype type,
              std::uint32_t* out) {
  const float* const inputs[2] = {gate, up};
  map_operand(inputs, width, type, out, [](const auto& v) HWY_ATTR {
    const auto sigmoid_inverse = hn::Add(splat(1.0F), exponential_of(hn::Neg(v[0])));
    return hn::Mul(hn::Div(v[0], sigmoid_inverse), v[1]);
  });
}

void operand_row(const float* values, std::uint32_t width, dtype type, std::uint32_t* out) {
  const float* const inputs[1] = {values};
  map_operand(inputs, width, type, out, [](const auto& v) HWY_ATTR { return v[0]; });
}

struct group_facts {
  float scale;
  std::int32_t sum;
};

// One whole group.
HWY_INLINE group_facts quantize_group(const float* values, std::uint32_t* words) {
  const float_tag d;
  auto lanes = hn::Zero(d);
  for (std::size_t i = 0; i < group_size; i += vector_lanes) {
    lanes = hn::Max(lanes, hn::Abs(hn::LoadU(d, values + i)));
  }
  const float highest = hn::GetLane(hn::MaxOfLanes(d, lanes));
  // Below, the inverse would overflow; nothing that small counts.
  const auto inverse = splat(highest > 1e-30F ? 127.0F / highest : 0.0F);
  auto* bytes = reinterpret_cast<std::int8_t*>(words);
  auto sums = hn::Zero(int_tag());
  for (std::size_t i = 0; i < group_size; i += vector_lanes) {
    const auto nearest = hn::NearestInt(hn::Mul(hn::LoadU(d, values + i), inverse));
    sums = hn::Add(sums, nearest);
    const hn::Rebind<std::int8_t, float_tag> d8;
    hn::StoreU(hn::DemoteTo(d8, nearest), d8, bytes + i);
  }
  return {highest * (1.0F / 127.0F), hn::GetLane(hn::SumOfLanes(int_tag(), sums))};
}

void quantize_row(const float* values, std::uint32_t width, std::uint32_t* out) {
  const std::uint32_t groups = num_groups(width);
  std::uint32_t* scales = out + std::size_t{groups} * group_words;
  std::uint32_t* sums = scales + groups;
  group_facts facts{};
  for (std::uint32_t g = 0; g < groups; ++g) {
    const std::uint32_t first = g * group_size;
    if (first + group_size <= width) {
      facts = quantize_group(values + first, out + std::size_t{g} * group_words);
    } else {
      alignas(64) float tail[group_size] = {};
      std::copy_n(values + first, width - first, tail);
      facts = quantize_group(tail, out + std::size_t{g} * group_words);
    }
    scales[g] = std::bit_cast<std::uint32_t>(facts.scale);
    sums[g] = static_cast<std::uint32_t>(-facts.sum) & 0xFFFFU;
  }
}

std::uint16_t quantize_head(const float* values, std::uint32_t count, std::int8_t* out) {
  const float_tag d;
  auto lanes = hn::Zero(d);
  auto none = hn::Zero(d);  // unless a value is not finite
  for (std::uint32_t i = 0; i < count; i += vector_lanes) {
    const auto x = hn::LoadU(d, values + i);
    lanes = hn::Max(lanes, hn::Abs(x));
    none = hn::Add(none, hn::Mul(x, hn::Zero(d)));
  }
  const float highest =
      hn::GetLane(hn::MaxOfLanes(d, lanes)) + hn::GetLane(hn::SumOfLanes(d, none));
  const std::uint32_t above = std::bit_cast<std::uint32_t>(highest / 127) & 0x7FFFFFFFU;
  const std::uint32_t scale_bits = (above + 0xFFFFU) & 0xFFFF0000U;
  const float scale = std::bit_cast<float>(scale_bits);
  // Below, the inverse would overflow; nothing that small counts.
  const auto inverse = splat(scale > 1e-30F ? 1.0F / scale : 0.0F);
  const hn::Rebind<std::int8_t, float_tag> d8;
  for (std::uint32_t i = 0; i < count; i += vector_lanes) {
    const auto nearest = hn::NearestInt(hn::Mul(hn::LoadU(d, values + i), inverse));
    hn::StoreU(hn::DemoteTo(d8, nearest), d8, out + i);
  }
  return static_cast<std::uint16_t>(scale_bits >> 16U);
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {

HWY_EXPORT(norm_row);
HWY_EXPORT(silu_row);
HWY_EXPORT(operand_row);
HWY_EXPORT(quantize_row);
HWY_EXPORT(quantize_head);

void add_rms_norm(const norm_args& args, dtype type, std::uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(norm_row)(args, type, out);
}

void silu_mul(const float* gate, const float* up, std::uint32_t width, dtype type,
              std::uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(silu_row)(gate, up, width, type, out);
}

void make_operand(const float* values, std::uint32_t width, dtype type, std::uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(operand_row)(values, width, type, out);
}

void quantize_operand(const float* values, std::uint32_t width, std::uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(quantize_row)(values, width, out);
}

bfloat16 quantize_bytes(const float* values, std::uint32_t count, std::int8_t* out) {
  return {HWY_DYNAMIC_DISPATCH(quantize_head)(values, count, out)};
}

void quantize_query(const float* values, std::uint32_t head_dim, std::uint32_t* out) {
  std::array<std::int8_t, max_head_dim> bytes{};
  const std::uint32_t groups = num_kv_groups(head_dim);
  std::array<std::uint32_t, std::size_t{2} * num_kv_groups(max_head_dim)> tail{};
  for (std::uint32_t g = 0; g < groups; ++g) {
    const std::uint32_t first = g * kv_group_size;
    const std::uint32_t count = std::min(kv_group_size, head_dim - first);
    const float scale = to_float(quantize_bytes(values + first, count, bytes.data() + first));
    const std::int32_t sum = std::accumulate(&bytes[first], &bytes[first] + count, 0);
    tail[g] = std::bit_cast<std::uint32_t>(scale);
    tail[groups + g] = static_cast<std::uint32_t>(-128 * sum);
  }
  std::memcpy(out, bytes.data(), head_dim);
  std::copy_n(tail.data(), 2 * groups, out + head_dim / 4);
}

}  // namespace troupe::kernels
#endif
