// Whole files, bounded.
#pragma once
#include "core/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace troupe {

// not_found when there is no such file, too_large above `max_bytes`, io_error otherwise.
outcome<std::string> read_file(const std::filesystem::path& path,
                               std::uint64_t max_bytes = std::uint64_t{256} << 20U);

}  // namespace troupe
