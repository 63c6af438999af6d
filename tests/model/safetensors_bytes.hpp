// Builds safetensors files, right and wrong ones.
#pragma once
#include "model/tensor.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

inline std::string length_prefix(std::uint64_t length) {
  std::string out;
  for (unsigned i = 0; i < 8; ++i) out += static_cast<char>((length >> (8 * i)) & 0xFFU);
  return out;
}

// A header as it stands, then `data_bytes` zeros.
inline std::string safetensors_text(std::string_view header, std::size_t data_bytes) {
  return length_prefix(header.size()) + std::string(header) + std::string(data_bytes, '\0');
}

struct named_shape {
  std::string name;
  std::vector<std::int64_t> shape;
  dtype type = dtype::bfloat16;
};

// A right file of zeros with these tensors in this order.
inline std::string safetensors_file(const std::vector<named_shape>& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::uint64_t at = 0;
  for (const named_shape& t : tensors) {
    std::uint64_t bytes = size_bytes(t.type);
    std::string sizes;
    for (std::int64_t size : t.shape) {
      bytes *= static_cast<std::uint64_t>(size);
      if (!sizes.empty()) sizes += ',';
      sizes += std::to_string(size);
    }
    const char* type = t.type == dtype::float32    ? "F32"
                       : t.type == dtype::bfloat16 ? "BF16"
                                                   : "F16";
    header += ",\"" + t.name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + sizes +
              "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + bytes) + "]}";
    at += bytes;
  }
  return safetensors_text(header + "}", at);
}

}  // namespace troupe::test
