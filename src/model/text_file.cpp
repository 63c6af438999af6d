#include "model/text_file.hpp"

#include <fstream>
#include <utility>

namespace troupe {

outcome<std::string> read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const auto refuse = [&](error_code code, std::string why) {
    return failure{code, path.string() + " " + std::move(why), path.filename().string()};
  };
  std::error_code status;
  const auto type = std::filesystem::status(path, status).type();
  if (type == std::filesystem::file_type::not_found) {
    return refuse(error_code::not_found, "does not exist.");
  }
  if (type != std::filesystem::file_type::regular) {
    return refuse(error_code::io_error, "is not a readable regular file.");
  }
  const std::uintmax_t size = std::filesystem::file_size(path, status);
  if (status) return refuse(error_code::io_error, "could not be read: " + status.message() + ".");
  if (size > max_bytes) {
    return refuse(error_code::too_large, "has " + std::to_string(size) + " bytes; at most " +
                                             std::to_string(max_bytes) + " are read.");
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  file.read(text.data(), static_cast<std::streamsize>(size));
  if (!file) return refuse(error_code::io_error, "could not be read.");
  return text;
}

}  // namespace troupe
