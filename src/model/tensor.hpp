// Element types, and a read-only view of a tensor in host memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace troupe {

enum class dtype : std::uint8_t { float32, bfloat16, float16 };

constexpr std::size_t size_bytes(dtype t) { return t == dtype::float32 ? 4 : 2; }
std::string_view to_string(dtype t);  // "float32", "bfloat16", "float16"

// Row-major, contiguous. Whoever hands it out owns the bytes.
struct host_tensor {
  dtype type = dtype::bfloat16;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

}  // namespace troupe
