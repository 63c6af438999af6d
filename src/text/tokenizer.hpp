// The Qwen2.5 tokenizer: NFC, the pre-tokenizer pattern, byte-level BPE, added tokens; equal to
// Hugging Face's for every input. Immutable after loading, safe to share among threads.
#pragma once
#include "core/id.hpp"
#include "core/outcome.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// What the text of added tokens (<|im_end|> ...) inside the input means.
enum class added_tokens_in_text : std::uint8_t {
  parse,  // as Hugging Face does: it becomes the token
  plain,  // ordinary text
};

struct text_range {
  std::size_t begin = 0;
  std::size_t end = 0;  // one past the last byte
};

class tokenizer {
 public:
  static outcome<tokenizer> load(const std::filesystem::path& model_dir);
  tokenizer(tokenizer&&) noexcept;
  tokenizer& operator=(tokenizer&&) noexcept;
  ~tokenizer();

  // UTF-8 in; ill-formed bytes count as U+FFFD, one per maximal subpart. Linear time.
  std::vector<token_id> encode(std::string_view text,
                               added_tokens_in_text mode = added_tokens_in_text::parse) const;
  // The same, with added tokens only where their text lies within one of `ranges` (sorted, apart).
  std::vector<token_id> encode_parts(std::string_view text,
                                     std::span<const text_range> ranges) const;
  // Ids beyond the vocabulary add nothing. Ill-formed UTF-8 becomes U+FFFD per maximal subpart.
  std::string decode(const std::vector<token_id>& ids, bool skip_special_tokens) const;

  // The raw bytes that a token stands for; may be half a character. Empty for unknown ids.
  std::string_view bytes(token_id id) const;
  bool is_special(token_id id) const;  // added and special:true; skip_special_tokens drops it
  std::optional<token_id> find_added(std::string_view content) const;
  std::uint32_t vocab_size() const;  // base + added, without the model's padding

 private:
  struct tables;
  explicit tokenizer(std::unique_ptr<const tables> t);
  std::unique_ptr<const tables> tables_;
};

}  // namespace troupe
