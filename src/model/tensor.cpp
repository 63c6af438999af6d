#include "model/tensor.hpp"

namespace troupe {

std::string_view to_string(dtype t) {
  switch (t) {
    case dtype::float32: return "float32";
    case dtype::bfloat16: return "bfloat16";
    case dtype::float16: return "float16";
    case dtype::int32: return "int32";
  }
  return "unknown";
}

}  // namespace troupe
