// Reads safetensors files, strictly: 8 bytes of header length (little endian), a JSON header, the
// tensors' bytes without holes or overlaps up to the end of the file.
#pragma once
#include "core/outcome.hpp"
#include "model/tensor.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace troupe {

// Tensors by name. Their bytes may stand at any address: read elements by memcpy (model/convert).
using tensor_map = std::map<std::string, host_tensor, std::less<>>;

// The tensors of one file's bytes, which they refer to. `file_name` is for the failure's message.
// Refuses whatever the format does not allow and element types other than F32, BF16,
// F16 and I32.
outcome<tensor_map> parse_safetensors(std::span<const std::byte> file, std::string_view file_name);

struct checkpoint {
  tensor_map tensors;
  std::shared_ptr<const void> storage;  // keeps every mapped file alive
};

// Maps DIR/model.safetensors, or where that is missing every file that
// DIR/model.safetensors.index.json names. Each tensor must stand in the file that the index says,
// and in no other; a file may hold nothing that the index does not name.
outcome<checkpoint> open_checkpoint(const std::filesystem::path& model_dir);

}  // namespace troupe
