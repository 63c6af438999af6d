#include "text/tokenizer.hpp"

#include "text/added_tokens.hpp"
#include "text/byte_pair_encoder.hpp"
#include "text/normalizer.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/tokenizer_file.hpp"
#include "text/utf8.hpp"

namespace troupe {

struct tokenizer::tables {
  explicit tables(tokenizer_file file)
      : tokens(std::move(file.tokens)),
        encoder(tokens, file.merges),
        added(std::move(file.added)),
        normalise(file.normalise) {}

  // Appends the tokens of a stretch without added tokens.
  void encode_plain(std::string_view text, merge_buffers& buffers,
                    std::vector<token_id>& out) const {
    std::string repaired, normalised;
    if (!is_utf8(text)) {
      repaired = repair_utf8(text);
      text = repaired;
    }
    if (normalise) text = to_nfc(text, normalised);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = find_piece_end(text, begin);
      encoder.encode(text.substr(begin, end - begin), buffers, out);
      begin = end;
    }
  }

  token_table tokens;
  byte_pair_encoder encoder;
  added_tokens added;
  bool normalise;
};

tokenizer::tokenizer(std::unique_ptr<const tables> t) : tables_(std::move(t)) {}
tokenizer::tokenizer(tokenizer&&) noexcept = default;
tokenizer& tokenizer::operator=(tokenizer&&) noexcept = default;
tokenizer::~tokenizer() = default;

outcome<tokenizer> tokenizer::load(const std::filesystem::path& model_dir) {
  auto file = load_tokenizer_file(model_dir);
  if (!file) return file.error();
  return tokenizer(std::make_unique<const tables>(*std::move(file)));
}

std::vector<token_id> tokenizer::encode(std::string_view text, added_tokens_in_text mode) const {
  const text_range everywhere{0, text.size()};
  if (mode == added_tokens_in_text::plain) return encode_parts(text, {});
  return encode_parts(text, {&everywhere, 1});
}

std::vector<token_id> tokenizer::encode_parts(std::string_view text,
                                              std::span<const text_range> ranges) const {
  std::vector<token_id> out;
  out.reserve(text.size() / 3);
  merge_buffers buffers;
  std::size_t begin = 0;  // of what no token was made of yet
  for (const text_range& range : ranges) {
    const auto head = text.substr(0, range.end);
    for (std::size_t from = range.begin; from < range.end;) {
      const auto [at, token] = tables_->added.find_in(head, from);
      if (token == nullptr) break;
      tables_->encode_plain(text.substr(begin, at - begin), buffers, out);
      out.push_back(token->token);
      begin = from = at + token->content.size();
    }
  }
  tables_->encode_plain(text.substr(begin), buffers, out);
  return out;
}

std::string tokenizer::decode(const std::vector<token_id>& ids, bool skip_special_tokens) const {
  std::string text;
  utf8_decoder decoder;
  for (const token_id id : ids) {
    if (skip_special_tokens && is_special(id)) continue;
    decoder.push(bytes(id), text);
  }
  decoder.finish(text);
  return text;
}

std::string_view tokenizer::bytes(token_id id) const { return tables_->tokens.bytes(id); }

bool tokenizer::is_special(token_id id) const { return tables_->added.is_special(id); }

std::optional<token_id> tokenizer::find_added(std::string_view content) const {
  const added_token* token = tables_->added.find(content);
  if (token == nullptr) return std::nullopt;
  return token->token;
}

std::uint32_t tokenizer::vocab_size() const { return tables_->tokens.size(); }

}  // namespace troupe
