// What somebody meant who wrote a name that is none.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// Letters to insert, delete, replace, or swap with their neighbour, to make one from the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The known name that is nearest, or empty if none is near: at most a third of the letters differ.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace troupe
