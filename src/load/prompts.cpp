#include "load/prompts.hpp"

#include <algorithm>
#include <array>

#include "load/keyed_random.hpp"

namespace troupe::load {
namespace {

// Each is one token of Qwen's vocabulary with the blank before it.
constexpr std::array<std::string_view, 64> words = {
    "the",   "of",   "and",  "to",   "in",    "for",    "is",   "on",   "that", "by",    "this",
    "with",  "you",  "it",   "not",  "or",    "be",     "are",  "from", "at",   "as",    "your",
    "all",   "have", "new",  "more", "an",    "was",    "we",   "will", "home", "can",   "us",
    "about", "if",   "page", "my",   "has",   "search", "free", "but",  "our",  "one",   "other",
    "do",    "no",   "time", "they", "site",  "he",     "up",   "may",  "what", "which", "their",
    "news",  "out",  "use",  "any",  "there", "see",    "only", "so",   "his"};

// Streams of random numbers that must not be the same.
constexpr std::uint64_t length_stream = 0x6C656E67, prefix_stream = 0x70726566,
                        word_stream = 0x776F7264, block_stream = 0x626C6F63;

class synthetic_prompts : public prompt_source {
 public:
  explicit synthetic_prompts(const prompt_options& options) : options_(options) {
    for (std::uint32_t i = 0; options.prefix_words > 0 && i < options.num_prefixes; ++i)
      prefixes_.push_back(made_words(options.seed ^ prefix_stream, i, options.prefix_words));
  }

  conversation make(std::uint64_t key) const override {
    keyed_random lengths(options_.seed ^ length_stream, key);
    conversation out;
    for (std::uint32_t turn = 0; turn < options_.turns; ++turn) {
      auto text =
          made_words(options_.seed ^ word_stream, key * 4096 + turn, options_.words.draw(lengths));
      if (turn == 0 && !prefixes_.empty())
        text = prefixes_[lengths.below(prefixes_.size())] + " " + text;
      out.turns.push_back(std::move(text));
      out.max_tokens.push_back(options_.max_tokens ? options_.max_tokens->draw(lengths) : 0);
    }
    return out;
  }

  std::string describe() const override {
    std::string out = "made of words";
    if (!prefixes_.empty())
      out += ", behind one of " + std::to_string(prefixes_.size()) + " prefixes of " +
             std::to_string(options_.prefix_words) + " words";
    return out;
  }

 private:
  prompt_options options_;
  std::vector<std::string> prefixes_;
};

class trace_prompts : public prompt_source {
 public:
  trace_prompts(const std::vector<trace_row>& rows, const prompt_options& options)
      : rows_(rows), options_(options) {}

  conversation make(std::uint64_t key) const override {
    auto& row = rows_[key % rows_.size()];
    auto left = std::max(row.prompt_tokens, 1U);
    std::string text;
    for (auto block : row.blocks) {
      auto count = std::min(left, trace_block_tokens);
      if (count == 0) break;
      if (!text.empty()) text += ' ';
      text += made_words(options_.seed ^ block_stream, block, count);
      left -= count;
    }
    if (left > 0) {
      if (!text.empty()) text += ' ';
      text += made_words(options_.seed ^ word_stream, key, left);
    }
    return {{}, {std::move(text)}, {row.output_tokens}};
  }

  std::string describe() const override { return "of the trace's lengths"; }

 private:
  const std::vector<trace_row>& rows_;
  prompt_options options_;
};

}  // namespace

std::string made_words(std::uint64_t seed, std::uint64_t key, std::uint32_t count) {
  keyed_random random(seed, key);
  std::string out;
  out.reserve(std::size_t{count} * 5);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i > 0) out += ' ';
    out += words[random.next() % words.size()];
  }
  return out;
}

std::unique_ptr<prompt_source> make_synthetic_prompts(const prompt_options& options) {
  return std::make_unique<synthetic_prompts>(options);
}

std::unique_ptr<prompt_source> make_trace_prompts(const std::vector<trace_row>& rows,
                                                  const prompt_options& options) {
  return std::make_unique<trace_prompts>(rows, options);
}

}  // namespace troupe::load
