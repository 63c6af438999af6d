// Cuts text into the pieces that byte pairs are merged within.
#pragma once
#include <cstddef>
#include <string_view>

namespace troupe {

// The regular expression that the scanner below was written after; other models' are refused.
inline constexpr std::string_view pre_tokenizer_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The end of the piece that begins at `begin` < text.size(). `text` must be well-formed UTF-8, and
// every character belongs to exactly one piece. Linear over a whole text: no backtracking.
std::size_t find_piece_end(std::string_view text, std::size_t begin);

}  // namespace troupe
