// Tokens of one answer become text, a token at a time: never half a character, and nothing past a
// stop string. O(1) amortised per byte, no re-decoding.
#pragma once
#include "core/id.hpp"
#include "text/tokenizer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// Of stop strings that clients give.
inline constexpr std::size_t max_stops = 16;
inline constexpr std::size_t max_stop_bytes = 256;

struct detokenizer_options {
  bool skip_special_tokens = true;
  bool include_stop_str_in_output = false;
  std::vector<std::string> stop;  // non-empty strings
};

class detokenizer {
 public:
  // `words` must outlive this. `prompt` seeds the decoder: a character may begin in its last bytes.
  detokenizer(std::shared_ptr<const tokenizer> words, detokenizer_options options,
              const std::vector<token_id>& prompt = {});
  ~detokenizer();
  detokenizer(detokenizer&&) noexcept;

  // Returns true once a stop string is complete; later tokens add nothing.
  bool push(token_id token);
  // Text that became certain since the last call. Always whole characters.
  std::string take();
  // No more tokens come: what was held back becomes certain (not after a stop).
  void finish();
  std::optional<std::string_view> matched_stop() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe
