// Reads NumPy's .npz: a zip archive of .npy files, stored or deflated. For tests only.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace troupe::testing {

struct npy_array {
  std::string type;  // "<f4", "<i4", "<i8"
  std::vector<std::size_t> shape;
  std::vector<std::byte> bytes;  // C order

  std::size_t size() const;
  std::vector<float> floats() const;       // of "<f4"
  std::vector<std::int32_t> ints() const;  // of "<i4" or "<i8"
};

// Throws std::runtime_error for anything else than a well-formed archive.
std::map<std::string, npy_array> read_npz(const std::filesystem::path& path);

}  // namespace troupe::testing
