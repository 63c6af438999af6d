// Writes one safetensors file: what it will hold is known first, the bytes follow tensor by tensor.
#pragma once
#include "core/outcome.hpp"
#include "model/tensor.hpp"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe {

struct tensor_entry {
  std::string name;
  dtype type = dtype::bfloat16;
  std::vector<std::int64_t> shape;
  std::uint64_t size_in_bytes() const;
};

// The file's first bytes: length, JSON header (with "format": "pt", which transformers asks for).
std::string make_safetensors_header(std::span<const tensor_entry> entries);

class file_writer {
 public:
  // Refuses a file that exists.
  static outcome<file_writer> create(const std::filesystem::path& path);
  refusal write(std::span<const std::byte> bytes);
  // Brings everything to the disk; nothing is written afterwards.
  refusal finish();

 private:
  struct closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  file_writer(std::FILE* file, std::filesystem::path path) : file_(file), path_(std::move(path)) {}
  failure explain() const;

  std::unique_ptr<std::FILE, closer> file_;
  std::filesystem::path path_;
};

}  // namespace troupe
