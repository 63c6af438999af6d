// tokenizer.json as values: read, checked, and refused where it asks for what we do not do.
#pragma once
#include "core/outcome.hpp"
#include "text/added_tokens.hpp"
#include "text/byte_pair_encoder.hpp"
#include "text/token_table.hpp"

#include <filesystem>
#include <vector>

namespace troupe {

struct tokenizer_file {
  token_table tokens;              // base vocabulary and added tokens; all 256 single bytes
  std::vector<merge_rule> merges;  // in the order of learning
  std::vector<added_token> added;
  bool normalise = true;  // to NFC
};

// Reads tokenizer.json and, where the directory has one, tokenizer_config.json, whose added tokens
// join those of the former.
outcome<tokenizer_file> load_tokenizer_file(const std::filesystem::path& model_dir);

}  // namespace troupe
