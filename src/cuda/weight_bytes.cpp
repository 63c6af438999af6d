#include "cuda/weight_bytes.hpp"

#include <algorithm>
#include <cmath>

#include "model/integer_groups.hpp"

namespace troupe::cuda {

void round_to_bytes(std::span<const float> row, std::int8_t* bytes, float16* scales) {
  while (!row.empty()) {
    const auto group = row.first(std::min<std::size_t>(row.size(), group_size));
    row = row.subspan(group.size());
    float largest = 0;
    for (const float weight : group) largest = std::max(largest, std::abs(weight));
    *scales = to_float16(largest / 127);
    const float scale = to_float(*scales++);
    const float inverse = scale != 0 ? 1.0F / scale : 0.0F;
    for (const float weight : group) {
      const float nearest = std::nearbyint(weight * inverse);
      *bytes++ = static_cast<std::int8_t>(std::clamp(nearest, -127.0F, 127.0F));
    }
  }
}

}  // namespace troupe::cuda
