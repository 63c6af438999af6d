// `troupe grammar`: what a grammar allows, asked from outside. Every text is walked token by token
// through the masks that the server uses. One JSON object a line in, one a line out, in order:
//   in   {"schema": ..., "texts": ["...", ...]}   or "regex", "choice" (a list), "grammar" (EBNF)
//        with a schema also "lenient", "strict" (booleans), "whitespace" (bounded, compact, any)
//   out  {"compiled": true, "error": null, "warnings": [...], "accept": [true, ...],
//         "mask_us": {"p50": 0.4, "p99": 9.1, "max": 12.0}, "compile_us": 310.5}
//        {"compiled": false, "error": {"pointer": "/a", "keyword": "...", "reason": "..."}, ...}
// A warning has the form of an error; one says why a text was given up that outgrew the grammar's
// limits. A text is accepted when every token's bit was set, and eos's
// at its end. A line that cannot be read gives an error whose keyword is the field that is wrong.
#pragma once
#include <filesystem>
#include <iosfwd>

namespace troupe {

// Reads the tokenizer and which tokens are eos, no weights. 0: every line was answered, if only
// with an error. 1: the model could not be loaded; the reason is on `err`.
int run_grammar(const std::filesystem::path& model_dir, std::istream& in, std::ostream& out,
                std::ostream& err);

}  // namespace troupe
