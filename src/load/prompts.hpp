// What is asked: prompts of files, of a trace, or made of words. A key makes the same conversation
// in every run of the same seed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"
#include "load/trace.hpp"
#include "load/values.hpp"

namespace troupe::load {

struct message {
  std::string role, content;
};

struct conversation {
  std::vector<message> history;    // said before the first turn; may be empty
  std::vector<std::string> turns;  // of the user, at least one; each is asked after an answer
  std::vector<std::uint32_t> max_tokens;  // [turns]; 0: the server's default
};

// Shared by all threads: const means safe.
class prompt_source {
 public:
  prompt_source() = default;
  prompt_source(const prompt_source&) = delete;
  prompt_source& operator=(const prompt_source&) = delete;
  virtual ~prompt_source() = default;
  virtual conversation make(std::uint64_t key) const = 0;
  virtual std::string describe() const = 0;
};

struct prompt_options {
  std::uint64_t seed = 0;
  length_distribution words{128};                    // of made prompts, each about one token
  std::optional<length_distribution> max_tokens;     // of answers; what a file says goes before it
  std::uint32_t prefix_words = 0, num_prefixes = 1;  // that made prompts begin with
  std::uint32_t turns = 1;                           // of a conversation, at most
};

// `count` words of a fixed list, blanks between them; they depend on the seed and the key alone.
std::string made_words(std::uint64_t seed, std::uint64_t key, std::uint32_t count);

std::unique_ptr<prompt_source> make_synthetic_prompts(const prompt_options& options);

// JSON lines (a text; {"prompt": ...}, {"messages": [...]}, or {"text": ...}, each with
// "max_tokens" if it likes), or one JSON array of ShareGPT's {"conversations": [{"from",
// "value"}]}.
outcome<std::unique_ptr<prompt_source>> parse_prompts(std::string_view text,
                                                      const prompt_options& options);
outcome<std::unique_ptr<prompt_source>> read_prompts(const std::filesystem::path& path,
                                                     const prompt_options& options);

// Key i is row i of the trace. `rows` must outlive it.
std::unique_ptr<prompt_source> make_trace_prompts(const std::vector<trace_row>& rows,
                                                  const prompt_options& options);

}  // namespace troupe::load
