#include "model/safetensors_writer.hpp"

#include "text/json.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace troupe {
namespace {

std::string_view name_in_header(dtype type) {
  switch (type) {
    case dtype::float32: return "F32";
    case dtype::bfloat16: return "BF16";
    case dtype::float16: return "F16";
    case dtype::int32: break;
  }
  return "I32";
}

failure refuse(const std::filesystem::path& path, int error) {
  return {error_code::io_error,
          path.string() + " cannot be written: " + std::generic_category().message(error),
          path.filename().string()};
}

}  // namespace

std::uint64_t tensor_entry::size_in_bytes() const {
  std::uint64_t bytes = size_bytes(type);
  for (const std::int64_t size : shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

std::string make_safetensors_header(std::span<const tensor_entry> entries) {
  json_object header;
  header.emplace_back("__metadata__", json_object{{"format", std::string("pt")}});
  std::uint64_t at = 0;
  for (const tensor_entry& entry : entries) {
    const std::uint64_t end = at + entry.size_in_bytes();
    json_array shape;
    for (const std::int64_t size : entry.shape) shape.emplace_back(size);
    header.emplace_back(entry.name, json_object{{"dtype", std::string(name_in_header(entry.type))},
                                                {"shape", std::move(shape)},
                                                {"data_offsets", json_array{at, end}}});
    at = end;
  }
  std::string text;
  append_json(text, std::move(header));
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    out += static_cast<char>(std::uint64_t{text.size()} >> shift & 0xFFU);
  }
  return out + text;
}

outcome<file_writer> file_writer::create(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbxe");
  if (file == nullptr) return refuse(path, errno);
  return file_writer(file, path);
}

failure file_writer::explain() const { return refuse(path_, errno); }

refusal file_writer::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) return explain();
  return nothing{};
}

refusal file_writer::finish() {
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) return explain();
  return nothing{};
}

}  // namespace troupe
