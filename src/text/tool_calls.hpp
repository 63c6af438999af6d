// Finds the tool calls in an answer that arrives piece by piece, as Qwen2.5 writes them:
// <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>. O(1) amortised per byte, and the
// result is the same however the answer is cut.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// The next bit of an answer: content, or some of the arguments of one call.
struct tool_delta {
  std::optional<std::uint32_t> call_idx;  // counts from 0; absent: content
  std::string name;                       // of the function; on the first delta of a call only
  std::string text;                       // content, or bytes of the arguments

  bool operator==(const tool_delta&) const = default;
};

// A call begins once its name is known and its arguments begin; from then on the bytes of the
// arguments' value go out as the model writes them: whoever reads them must check that they are
// JSON, as with OpenAI. Absent, null and empty arguments become {}, a string is unquoted first.
// A block that is malformed before that is content, letter by letter; what the answer's end cuts is
// a call as far as it goes. Blanks beside a call belong to nobody.
class tool_call_parser {
 public:
  tool_call_parser();
  ~tool_call_parser();
  tool_call_parser(tool_call_parser&&) noexcept;
  tool_call_parser& operator=(tool_call_parser&&) noexcept;

  // What became certain. Adjacent bits of the same kind come as one.
  std::vector<tool_delta> push(std::string_view text);
  // No more text comes: what was held back becomes certain.
  std::vector<tool_delta> finish();
  std::uint32_t num_calls() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe
