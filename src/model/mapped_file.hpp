// A file's bytes, mapped for reading.
#pragma once
#include "core/outcome.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace troupe {

// The mapping is private and its size is the file's at the time of opening. A checkpoint is read
// once, at start, and may be as large as the machine's memory: a copy of it would be one too many.
// The price is that a file that another process truncates in place while it is read ends this
// process: with SIGBUS, which the program turns into a line (cli/loading_guard.hpp). Downloaders do
// not do that: they write a new file and rename it, and the mapping then keeps the old one.
class mapped_file {
 public:
  static outcome<mapped_file> open(const std::filesystem::path& path);

  std::span<const std::byte> bytes() const { return bytes_; }
  // Unmaps with its last copy.
  const std::shared_ptr<const void>& storage() const { return storage_; }

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> storage_;
};

}  // namespace troupe
