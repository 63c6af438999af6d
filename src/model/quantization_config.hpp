// What config.json says under quantization_config: whether the layers are of integers, and how
// those are written.
#pragma once
#include "model/key_reader.hpp"
#include "model/published_integers.hpp"

#include <optional>

namespace troupe {

// None where the key is absent or null. Refuses, by `config`, every method but awq (4 bits, version
// gemm) and gptq (4 or 8 bits, without act-order), and groups that are not whole times 128.
std::optional<published_format> read_published_format(key_reader& config);

}  // namespace troupe
