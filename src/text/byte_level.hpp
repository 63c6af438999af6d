// The alphabet in which tokenizer.json spells bytes: printable Latin-1 stands for itself, the other
// 68 bytes for U+0100 and after, in order.
#pragma once
#include <string>
#include <string_view>

namespace troupe {

// Appends the bytes that `spelling` (well-formed UTF-8) stands for. False when a character of it
// is none of the alphabet's 256.
bool append_spelled_bytes(std::string& out, std::string_view spelling);

}  // namespace troupe
