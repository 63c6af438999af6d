// Element types, and a read-only view of a tensor in host memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace troupe {

// int32: what a checkpoint packs small integers into; nothing computes with it.
enum class dtype : std::uint8_t { float32, bfloat16, float16, int32 };

constexpr std::size_t size_bytes(dtype t) {
  return t == dtype::float32 || t == dtype::int32 ? 4 : 2;
}
std::string_view to_string(dtype t);  // "float32", "bfloat16", "float16", "int32"

class published_integers;

// Row-major, contiguous. Whoever hands it out owns the bytes.
struct host_tensor {
  dtype type = dtype::bfloat16;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  // Set: the elements are made of these (model/published_integers.hpp), and there are no bytes.
  std::shared_ptr<const published_integers> integers;
};

}  // namespace troupe
