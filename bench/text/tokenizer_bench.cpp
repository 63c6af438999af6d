// How many MB/s of text one core turns into tokens, by kind of text, and how long a megabyte of one
// character takes. The texts are drawn from the model's own vocabulary, frequent tokens more often.
#include "text/tokenizer.hpp"
#include "text/unicode.hpp"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace troupe {
namespace {

// Of the processor, so that a busy machine changes the answer little.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

using words = std::vector<std::string>;

// The tokens whose text passes `wanted`, most frequent first as the vocabulary has them.
words select(const tokenizer& model, const std::function<bool(std::string_view)>& wanted) {
  words found;
  for (token_id id = 0; id < static_cast<token_id>(model.vocab_size()); ++id) {
    const std::string_view bytes = model.bytes(id);
    const bool whole = find_ill_formed_utf8(bytes) == bytes.size();
    if (!bytes.empty() && whole && !model.is_special(id) && wanted(bytes))
      found.emplace_back(bytes);
  }
  return found;
}

class text_writer {
 public:
  // Zipf-like: the logarithm of the rank is uniform.
  std::string_view draw(const words& from) {
    std::uniform_real_distribution<double> uniform(0, std::log(static_cast<double>(from.size())));
    const auto rank = static_cast<std::size_t>(std::exp(uniform(random_))) - 1;
    return from[std::min(rank, from.size() - 1)];
  }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(random_); }

 private:
  std::mt19937_64 random_{7};
};

bool is_english(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == ' ' &&
         bytes.find_first_not_of("abcdefghijklmnopqrstuvwxyz", 1) == std::string_view::npos;
}

bool is_chinese(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const utf8_char c = read_utf8(bytes, at);
    if (c.code_point < 0x4E00 || c.code_point > 0x9FFF) return false;
    at += c.num_bytes;
  }
  return true;
}

bool is_code(std::string_view bytes) {
  for (const char c : bytes) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

std::string prose(const words& from, std::string_view comma, std::string_view stop,
                  std::size_t num_bytes) {
  text_writer writer;
  std::string text;
  while (text.size() < num_bytes) {
    text += writer.draw(from);
    if (writer.chance(0.08))
      text += comma;
    else if (writer.chance(0.05))
      text += stop;
  }
  return text;
}

std::string repeat(std::string_view what, std::size_t num_bytes) {
  std::string text;
  while (text.size() < num_bytes) text += what;
  return text;
}

struct sample {
  const char* name;
  std::string text;
};

std::vector<sample> make_samples(const tokenizer& model, std::size_t num_bytes) {
  std::vector<sample> all;
  all.push_back({"english", prose(select(model, is_english), ",", ".\n", num_bytes)});
  all.push_back({"chinese", prose(select(model, is_chinese), "，", "。\n", num_bytes)});
  all.push_back({"code", prose(select(model, is_code), " = ", ";\n    ", num_bytes)});
  std::string mixed;
  constexpr std::size_t block = 2000;
  for (std::size_t at = 0; mixed.size() < num_bytes; at += block) {
    for (std::size_t i = 0; i < 3; ++i) {
      mixed += repair_utf8(std::string_view(all[i].text).substr(at, block)) + "\n\n";
    }
  }
  all.push_back({"mixed", std::move(mixed)});
  return all;
}

void report(const tokenizer& model, const char* name, const std::string& text) {
  std::size_t num_tokens = 0;
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    best = std::min(best, seconds_of([&] { num_tokens = model.encode(text).size(); }));
  }
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  std::printf("%-16s %8.2f MB %9zu tokens %9.1f ms %8.1f MB/s\n", name, megabytes, num_tokens,
              best * 1e3, megabytes / best);
}

int run(const std::filesystem::path& model_dir) {
  outcome<tokenizer> model = failure{};
  const double load = seconds_of([&] { model = tokenizer::load(model_dir); });
  if (!model) {
    std::printf("skipped: %s\n", model.error().message.c_str());
    return 77;  // meson's exit status for a skipped benchmark
  }
  std::printf("%-16s %9.1f ms\n", "load", load * 1e3);
  const double reload = seconds_of([&] { model = tokenizer::load(model_dir); });
  std::printf("%-16s %9.1f ms\n", "load again", reload * 1e3);
  for (const sample& one : make_samples(*model, 10'000'000)) report(*model, one.name, one.text);
  const std::pair<const char*, const char*> runs[] = {
      {"1 MB of a", "a"},
      {"1 MB of blanks", " "},
      {"1 MB of \\n", "\n"},
      {"1 MB of emoji", "😀"},
      {"1 MB of marks", "\u0301\u0316"},
      {"1 MB of ab", "ab"},
      {"1 MB of CJK", "的是"},
      {"1 MB of Hangul", "\u1112\u1161\u11AB"},
      {"1 MB of '", "'"},
      {"1 MB of <|", "<|"},
      {"1 MB of digits", "1234567890"},
      {"1 MB of \\xFF", "\xFF"},
      {"1 MB of blank \\n", "          \n"},
  };
  for (const auto& [name, what] : runs) report(*model, name, repeat(what, 1'000'000));
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: tokenizer_bench MODEL_DIR\n");
    return 2;
  }
  return troupe::run(argv[1]);
}
