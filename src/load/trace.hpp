// Recorded arrivals: Azure's LLM inference traces and BurstGPT's as CSV, Mooncake's as JSON lines.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"

namespace troupe::load {

struct trace_row {
  double time = 0;  // seconds since the first row
  std::uint32_t prompt_tokens = 0, output_tokens = 0;
  // Mooncake's: the same number stands for the same 512 tokens of a prefix.
  std::vector<std::uint64_t> blocks;
};
constexpr std::uint32_t trace_block_tokens = 512;

// The format is known by its first line. Rows come back in order of time; those without an answer
// (0 output tokens: failures of whoever recorded them) are left out.
outcome<std::vector<trace_row>> parse_trace(std::string_view text);
outcome<std::vector<trace_row>> read_trace(const std::filesystem::path& path);

}  // namespace troupe::load
