#include "model/mapped_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace troupe {
namespace {

class descriptor {
 public:
  explicit descriptor(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

outcome<mapped_file> mapped_file::open(const std::filesystem::path& path) {
  const auto refuse = [&](error_code code, const std::string& why) {
    return failure{code, path.string() + " " + why, path.filename().string()};
  };
  const auto refuse_errno = [&](int error) {
    const error_code code = error == ENOENT ? error_code::not_found : error_code::io_error;
    return refuse(code, "could not be opened: " + std::generic_category().message(error) + ".");
  };
  const descriptor file(path);
  if (file.get() < 0) return refuse_errno(errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return refuse_errno(errno);
  if (!S_ISREG(status.st_mode)) return refuse(error_code::io_error, "is no regular file.");
  const auto size = static_cast<std::size_t>(status.st_size);
  mapped_file out;
  if (size == 0) return out;
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return refuse_errno(errno);
  // Advice only: weights are packed front to back once, so read ahead far and start at once.
  ::madvise(address, size, MADV_SEQUENTIAL);
  ::madvise(address, size, MADV_WILLNEED);
  out.bytes_ = {static_cast<const std::byte*>(address), size};
  out.storage_ = std::shared_ptr<const void>(
      address, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return out;
}

}  // namespace troupe
