// `troupe quantize`: a checkpoint of floats becomes one of integers in a published layout, by
// rounding to the nearest: int4 as AWQ, int8 as GPTQ, groups of 128. What serves it gives the
// answers of `--quantization` on the original. Embedding, LM head, norms and biases stay as they
// are; the tokenizer's files come along.
#pragma once
#include <cstdint>
#include <filesystem>
#include <iosfwd>

namespace troupe {

enum class rounding_method : std::uint8_t { int4, int8 };

struct quantize_options {
  std::filesystem::path model_dir;
  std::filesystem::path out_dir;  // made here; must not exist
  rounding_method method = rounding_method::int4;
  std::uint32_t num_threads = 0;  // 0: the machine's cores
};

// 0: the checkpoint is written. 1: nothing is left of it; the reason is on `err`.
int run_quantize(const quantize_options& options, std::ostream& out, std::ostream& err);

}  // namespace troupe
