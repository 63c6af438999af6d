#include "text/detokenizer.hpp"

#include "text/stop_matcher.hpp"
#include "text/utf8.hpp"

#include <utility>

namespace troupe {

struct detokenizer::state {
  state(std::shared_ptr<const tokenizer> tokens, detokenizer_options choices)
      : words(std::move(tokens)), options(std::move(choices)), stops(options.stop) {}

  std::string_view bytes(token_id token) const {
    if (options.skip_special_tokens && words->is_special(token)) return {};
    return words->bytes(token);
  }

  // A character may have begun in the last three bytes of the prompt; its text is not repeated.
  void seed(const std::vector<token_id>& prompt) {
    std::size_t first = prompt.size();
    for (std::size_t num_bytes = 0; first > 0 && num_bytes < 4;) {
      num_bytes += bytes(prompt[--first]).size();
    }
    std::string ignored;
    for (std::size_t i = first; i < prompt.size(); ++i) decoder.push(bytes(prompt[i]), ignored);
  }

  // Takes in whole characters, up to the end of the first stop string.
  void append(std::string_view text) {
    if (options.stop.empty()) {
      ready += text;
      return;
    }
    for (const char byte : text) {
      held += byte;
      matched = stops.push(byte);
      if (matched) break;
    }
    std::size_t num_held = matched ? options.stop[*matched].size() : stops.num_pending_bytes();
    if (options.include_stop_str_in_output) num_held = 0;
    ready.append(held, 0, held.size() - num_held);
    held.erase(0, held.size() - num_held);
  }

  std::shared_ptr<const tokenizer> words;
  detokenizer_options options;
  stop_matcher stops;
  utf8_decoder decoder;
  std::string fresh;                   // scratch: the characters that one token completed
  std::string ready;                   // certain, not yet taken
  std::string held;                    // may yet become a stop string
  std::optional<std::size_t> matched;  // index into options.stop
};

detokenizer::detokenizer(std::shared_ptr<const tokenizer> words, detokenizer_options options,
                         const std::vector<token_id>& prompt)
    : state_(std::make_unique<state>(std::move(words), std::move(options))) {
  state_->seed(prompt);
}
detokenizer::~detokenizer() = default;
detokenizer::detokenizer(detokenizer&&) noexcept = default;

bool detokenizer::push(token_id token) {
  state& s = *state_;
  if (s.matched) return true;
  s.fresh.clear();
  s.decoder.push(s.bytes(token), s.fresh);
  s.append(s.fresh);
  return s.matched.has_value();
}

std::string detokenizer::take() { return std::exchange(state_->ready, {}); }

void detokenizer::finish() {
  state& s = *state_;
  if (s.matched) return;
  s.fresh.clear();
  s.decoder.finish(s.fresh);
  s.append(s.fresh);
  if (!s.matched) s.ready += std::exchange(s.held, {});
}

std::optional<std::string_view> detokenizer::matched_stop() const {
  if (!state_->matched) return std::nullopt;
  return state_->options.stop[*state_->matched];
}

}  // namespace troupe
