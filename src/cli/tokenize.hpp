// `troupe tokenize`: a model's tokenizer and chat template, one JSON line in, one JSON line out.
#pragma once
#include <filesystem>
#include <iosfwd>

namespace troupe {

// {"text": ...}                              -> {"ids": [...]}
// {"messages": [...], "tools": [...], "add_generation_prompt": true} -> {"ids": [...]}
// {"ids": [...], "skip_special_tokens": false} -> {"text": ...}
// "parse_special": false takes the text of added tokens as plain text. A line that cannot be
// answered gives {"error": ...} in its place. Returns the exit status: 0, or 1 when the model
// cannot be loaded, which `err` then explains.
int run_tokenize(const std::filesystem::path& model_dir, std::istream& in, std::ostream& out,
                 std::ostream& err);

}  // namespace troupe
