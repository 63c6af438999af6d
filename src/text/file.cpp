#include "text/file.hpp"

#include <fstream>
#include <system_error>

namespace troupe {

outcome<std::string> read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const std::string name = path.filename().string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return failure{error_code::not_found, "there is no file " + path.string(), name};
  }
  const std::uint64_t num_bytes = std::filesystem::file_size(path, error);
  if (error) {
    return failure{error_code::io_error, path.string() + " cannot be read: " + error.message(),
                   name};
  }
  if (num_bytes > max_bytes) {
    return failure{error_code::too_large,
                   path.string() + " has " + std::to_string(num_bytes) + " bytes, the limit is " +
                       std::to_string(max_bytes),
                   name};
  }
  std::string text(num_bytes, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(num_bytes));
  if (!in || in.gcount() != static_cast<std::streamsize>(num_bytes)) {
    return failure{error_code::io_error, path.string() + " cannot be read to its end", name};
  }
  return text;
}

}  // namespace troupe
