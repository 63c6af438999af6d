// Numbers that nobody can guess.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe {

std::uint64_t draw_number();
// So many bytes of any value.
std::string draw_bytes(std::size_t count);
// Letters and digits that may stand in an environment.
std::string draw_secret();

}  // namespace troupe
