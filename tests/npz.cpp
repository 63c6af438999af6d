#include "npz.hpp"

#include <zlib.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace troupe::testing {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

template <class T>
T read_at(const std::string& data, std::size_t offset) {
  require(offset + sizeof(T) <= data.size(), "npz: cut short");
  T value;
  std::memcpy(&value, data.data() + offset, sizeof(T));
  return value;
}

std::string inflate_raw(const std::string& packed, std::size_t size) {
  std::string out(size, '\0');
  z_stream z{};
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(size);
  require(inflateInit2(&z, -MAX_WBITS) == Z_OK, "npz: zlib");
  const int status = inflate(&z, Z_FINISH);
  inflateEnd(&z);
  require(status == Z_STREAM_END && z.avail_out == 0, "npz: bad deflate data");
  return out;
}

std::string header_value(const std::string& header, const std::string& key) {
  const auto at = header.find("'" + key + "':");
  require(at != std::string::npos, "npy: header without a key");
  return header.substr(header.find_first_not_of(' ', at + key.size() + 3));
}

npy_array parse_npy(const std::string& file) {
  require(file.compare(0, 6, "\x93NUMPY") == 0, "npy: bad magic");
  const bool old = file[6] == 1;
  const std::size_t length =
      old ? read_at<std::uint16_t>(file, 8) : read_at<std::uint32_t>(file, 8);
  const std::size_t start = old ? 10 : 12;
  const std::string header = file.substr(start, length);
  require(header_value(header, "fortran_order").starts_with("False"), "npy: Fortran order");
  npy_array out;
  const std::string type = header_value(header, "descr");
  out.type = type.substr(1, type.find('\'', 1) - 1);
  std::string shape = header_value(header, "shape");
  for (std::size_t at = 1; shape[at] != ')';) {
    std::size_t used = 0;
    out.shape.push_back(std::stoul(shape.substr(at), &used));
    at = shape.find_first_not_of(", ", at + used);
  }
  const auto* first = reinterpret_cast<const std::byte*>(file.data());
  out.bytes.assign(first + start + length, first + file.size());
  return out;
}

template <class From, class To>
std::vector<To> converted(const npy_array& array) {
  std::vector<From> raw(array.size());
  require(array.bytes.size() == raw.size() * sizeof(From), "npy: wrong size");
  std::memcpy(raw.data(), array.bytes.data(), array.bytes.size());
  return {raw.begin(), raw.end()};
}

}  // namespace

std::size_t npy_array::size() const {
  std::size_t n = 1;
  for (std::size_t s : shape) n *= s;
  return n;
}

std::vector<float> npy_array::floats() const {
  require(type == "<f4", "npy: floats expected");
  return converted<float, float>(*this);
}

std::vector<std::int32_t> npy_array::ints() const {
  require(type == "<i4" || type == "<i8", "npy: integers expected");
  return type == "<i4" ? converted<std::int32_t, std::int32_t>(*this)
                       : converted<std::int64_t, std::int32_t>(*this);
}

std::map<std::string, npy_array> read_npz(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string zip{std::istreambuf_iterator<char>(in), {}};
  const std::size_t end = zip.rfind("PK\x05\x06");
  require(end != std::string::npos, "npz: no end of central directory");
  std::size_t at = read_at<std::uint32_t>(zip, end + 16);
  std::map<std::string, npy_array> out;
  for (int n = read_at<std::uint16_t>(zip, end + 10); n > 0; --n) {
    require(zip.compare(at, 4, "PK\x01\x02") == 0, "npz: bad central directory");
    const auto method = read_at<std::uint16_t>(zip, at + 10);
    const std::size_t packed = read_at<std::uint32_t>(zip, at + 20);
    const std::size_t unpacked = read_at<std::uint32_t>(zip, at + 24);
    const std::size_t name_length = read_at<std::uint16_t>(zip, at + 28);
    const std::size_t local = read_at<std::uint32_t>(zip, at + 42);
    const std::string name = zip.substr(at + 46, name_length);
    at += 46 + name_length + read_at<std::uint16_t>(zip, at + 30) +
          read_at<std::uint16_t>(zip, at + 32);
    const std::size_t data = local + 30 + read_at<std::uint16_t>(zip, local + 26) +
                             read_at<std::uint16_t>(zip, local + 28);
    const std::string bytes = zip.substr(data, packed);
    out[name.substr(0, name.rfind(".npy"))] =
        parse_npy(method == 8 ? inflate_raw(bytes, unpacked) : bytes);
  }
  return out;
}

}  // namespace troupe::testing
