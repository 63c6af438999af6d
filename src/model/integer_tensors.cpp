#include "model/integer_tensors.hpp"

#include "model/convert.hpp"
#include "model/integer_packing.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace troupe {
namespace {

using tensor_shape = std::vector<std::int64_t>;

struct expected_shapes {
  tensor_shape qweight, qzeros, scales;
};

expected_shapes shapes_of(const published_format& format, std::int64_t out, std::int64_t in) {
  const std::int64_t per_word = format.per_word();
  const std::int64_t groups = format.num_groups(static_cast<std::uint32_t>(in));
  const bool is_awq = format.layout == integer_layout::awq;
  return {is_awq ? tensor_shape{in, out / per_word} : tensor_shape{in / per_word, out},
          {groups, out / per_word},
          {groups, out}};
}

// The tensor of that name, removed from `found`, if it is what it should be.
std::optional<host_tensor> take(tensor_map& found, const std::string& name, dtype type,
                                const tensor_shape& shape, misfit_list& misfits) {
  const auto at = found.find(name);
  if (at == found.end()) {
    misfits.add("tensor " + name + " of shape " + shape_text(shape) + " is missing");
    return std::nullopt;
  }
  host_tensor tensor = std::move(at->second);
  found.erase(at);
  if (tensor.shape != shape || tensor.type != type) {
    misfits.add("tensor " + name + " has shape " + shape_text(tensor.shape) + " of " +
                std::string(to_string(tensor.type)) + ", expected " + shape_text(shape) + " of " +
                std::string(to_string(type)));
    return std::nullopt;
  }
  return tensor;
}

void check_group_index(const host_tensor& index, const std::string& name,
                       const published_format& format, misfit_list& misfits) {
  for (std::uint32_t k = 0; k < index.bytes.size() / sizeof(std::int32_t); ++k) {
    std::int32_t group = 0;
    std::memcpy(&group, index.bytes.data() + k * sizeof group, sizeof group);
    const std::uint32_t expected = format.group_size == 0 ? 0 : k / format.group_size;
    if (group == static_cast<std::int32_t>(expected)) continue;
    misfits.add("tensor " + name + " puts input " + std::to_string(k) + " into group " +
                std::to_string(group) + ", expected " + std::to_string(expected) +
                ": act-order is not served");
    return;
  }
}

// AutoGPTQ gives every layer a bias.
void drop_empty_bias(tensor_map& found, const std::string& name, misfit_list& misfits) {
  const auto at = found.find(name);
  if (at == found.end() || at->second.type == dtype::int32) return;
  const auto values = to_floats(at->second);
  found.erase(at);
  if (std::ranges::all_of(values, [](float x) { return x == 0; })) return;
  misfits.add("tensor " + name + " is not zero, but the model has no such bias");
}

bool has_bias(const std::string& prefix) {
  return prefix.ends_with("q_proj.") || prefix.ends_with("k_proj.") || prefix.ends_with("v_proj.");
}

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::int64_t size : shape) {
    if (out.size() > 1) out += ", ";
    out += std::to_string(size);
  }
  return out + "]";
}

void take_integers(tensor_map& found, const weight_entry& expected, const published_format& format,
                   misfit_list& misfits) {
  constexpr std::string_view ending = "weight";
  const std::string prefix = expected.name.substr(0, expected.name.size() - ending.size());
  const std::int64_t out = expected.shape[0];
  const std::int64_t in = expected.shape[1];
  if (!fits_words(format, out, in)) {
    misfits.add("weight " + expected.name + " of shape " + shape_text(expected.shape) +
                " does not divide into words of " + std::to_string(format.per_word()) +
                " integers");
    return;
  }
  const expected_shapes shapes = shapes_of(format, out, in);
  auto qweight = take(found, prefix + "qweight", dtype::int32, shapes.qweight, misfits);
  auto qzeros = take(found, prefix + "qzeros", dtype::int32, shapes.qzeros, misfits);
  auto scales = take(found, prefix + "scales", dtype::float16, shapes.scales, misfits);
  if (format.layout == integer_layout::gptq && found.contains(prefix + "g_idx")) {
    const auto index = take(found, prefix + "g_idx", dtype::int32, {in}, misfits);
    if (index) check_group_index(*index, prefix + "g_idx", format, misfits);
  }
  if (!has_bias(prefix)) drop_empty_bias(found, prefix + "bias", misfits);
  if (!qweight || !qzeros || !scales) return;
  expected.target->type = dtype::float16;
  expected.target->shape = expected.shape;
  expected.target->integers = std::make_shared<const published_integers>(
      format,
      published_integers::tensors{*std::move(qweight), *std::move(qzeros), *std::move(scales)},
      static_cast<std::uint32_t>(out), static_cast<std::uint32_t>(in));
}

}  // namespace troupe
