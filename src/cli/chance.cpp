#include "cli/chance.hpp"

#include <sys/random.h>

namespace troupe {

std::string draw_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const auto more = getrandom(bytes.data() + done, count - done, 0);
    if (more > 0) done += static_cast<std::size_t>(more);
  }
  return bytes;
}

std::uint64_t draw_number() {
  std::uint64_t number = 0;
  const auto bytes = draw_bytes(sizeof number);
  bytes.copy(reinterpret_cast<char*>(&number), sizeof number);
  return number;
}

std::string draw_secret() { return std::to_string(draw_number()) + std::to_string(draw_number()); }

}  // namespace troupe
