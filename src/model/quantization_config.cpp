#include "model/quantization_config.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace troupe {
namespace {

constexpr const char* config_key = "quantization_config";

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

void read_awq(key_reader& in, published_format& out) {
  out.layout = integer_layout::awq;
  if (out.bits != 4) {
    in.refuse("bits", "is " + std::to_string(out.bits) + "; AWQ is served with 4.",
              error_code::unsupported);
  }
  const std::string version = lower(in.string("version").value_or("gemm"));
  if (version != "gemm") {
    in.refuse("version", "is \"" + version + "\"; only \"gemm\" is served.",
              error_code::unsupported);
  }
  if (!in.boolean("zero_point").value_or(true)) {
    in.refuse("zero_point", "is false; only AWQ with zero points is served.",
              error_code::unsupported);
  }
}

void read_gptq(key_reader& in, published_format& out) {
  out.layout = integer_layout::gptq;
  if (out.bits != 4 && out.bits != 8) {
    in.refuse("bits", "is " + std::to_string(out.bits) + "; GPTQ is served with 4 or 8.",
              error_code::unsupported);
  }
  const std::string format = in.string("checkpoint_format").value_or("gptq");
  if (format != "gptq" && format != "gptq_v2") {
    in.refuse("checkpoint_format",
              "is \"" + format + "\"; only \"gptq\" and \"gptq_v2\" are served.",
              error_code::unsupported);
  }
  out.added_to_zeros = format == "gptq" ? 1 : 0;
  if (in.boolean("desc_act").value_or(false) && out.group_size != 0) {
    in.refuse("desc_act", "is true; only groups of neighbouring inputs are served.",
              error_code::unsupported);
  }
}

void read_group_size(key_reader& in, published_format& out) {
  const auto size = in.number("group_size", -1, 1U << 20);
  if (in.problem()) return;
  if (!size) return in.refuse("group_size", "is missing; 128 was expected.");
  out.group_size = *size < 0 ? 0 : static_cast<std::uint32_t>(*size);
  const bool is_whole = *size == -1 || (*size >= group_size && *size == out.group_size);
  if (!is_whole || out.group_size % group_size != 0) {
    in.refuse("group_size",
              "is " + describe(*in.find("group_size")) +
                  "; a multiple of 128, or -1 for one group, was expected.",
              error_code::unsupported);
  }
}

}  // namespace

std::optional<published_format> read_published_format(key_reader& config) {
  const json_value* object = config.find(config_key);
  if (object == nullptr) return std::nullopt;
  if (object->as_object() == nullptr) {
    config.refuse(config_key, "is " + describe(*object) + "; an object or null was expected.");
    return std::nullopt;
  }
  key_reader in(*object, config.where() + ": " + config_key);
  const auto method = in.string("quant_method");
  published_format out;
  if (!in.problem() && (!method || (*method != "awq" && *method != "gptq"))) {
    in.refuse("quant_method",
              (method ? "is \"" + *method + "\"" : std::string("is missing")) +
                  "; \"awq\", \"gptq\" or no quantization_config at all was expected.",
              error_code::unsupported);
  }
  if (!in.problem()) out.bits = in.required_integer("bits", 1, 32);
  if (!in.problem()) read_group_size(in, out);
  if (!in.problem()) *method == "awq" ? read_awq(in, out) : read_gptq(in, out);
  config.take_problem(in);
  return out;
}

}  // namespace troupe
