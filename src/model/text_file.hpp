// Reads a small text file whole, within a bound.
#pragma once
#include "core/outcome.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace troupe {

// Refuses what is missing (not_found), no regular file or unreadable (io_error), or longer than
// max_bytes (too_large).
outcome<std::string> read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes);

}  // namespace troupe
