// How long grammars take to compile and masks to make, over recorded schemas and their instances:
// grammar_bench TOKENIZER_DIR SCHEMAS.jsonl [width of the logits]
#include "text/grammar/compiled_grammar.hpp"
#include "text/grammar/grammar.hpp"
#include "text/json.hpp"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace troupe {
namespace {

// The processor time of this thread: other programs on the machine do not count.
struct clock {
  using time_point = double;
  static time_point now() {
    timespec at{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
  }
};

double microseconds(clock::time_point since) { return clock::now() - since; }

void print(const char* what, std::vector<double>& values) {
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  const auto at = [&](double part) {
    return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
  };
  double sum = 0;
  for (const double value : values) sum += value;
  std::printf(
      "%-14s n %zu  avg %.1f  p50 %.1f  p90 %.1f  p95 %.1f  p99 %.1f  p99.9 %.1f  max %.1f us\n",
      what, values.size(), sum / static_cast<double>(values.size()), at(0.5), at(0.9), at(0.95),
      at(0.99), at(0.999), values.back());
}

struct timings {
  std::vector<double> compile, first_mask, mask, accept;
  std::size_t refused = 0, left = 0;
};

// Goes through one valid instance token by token, as an engine would.
void follow(const token_constraint_ptr& made, const std::vector<token_id>& ids,
            std::vector<std::uint32_t>& mask, timings& out) {
  const auto state = made->start();
  for (const token_id id : ids) {
    auto begin = clock::now();
    state->fill_mask(mask);
    out.mask.push_back(microseconds(begin));
    begin = clock::now();
    const bool taken = state->accept(id);
    out.accept.push_back(microseconds(begin));
    if (!taken) {
      ++out.left;
      return;
    }
  }
}

void run(const grammar_compiler& compiler, const tokenizer& words, const json_value& row,
         std::vector<std::uint32_t>& mask, timings& out) {
  const auto begin = clock::now();
  const auto made = compiler.json_schema(*row.find("schema"));
  const double compile = microseconds(begin);
  if (!made) {
    ++out.refused;
    return;
  }
  out.compile.push_back(compile);
  made->constraint->start()->fill_mask(mask);
  out.first_mask.push_back(microseconds(begin));
  if (compile > 50'000) {
    std::printf("slow: %s %.0f us\n", row.find("file")->as_string()->c_str(), compile);
  }
  for (const json_value& test : *row.find("tests")->as_array()) {
    if (!*test.find("valid")->as_bool()) continue;
    std::string text;
    append_json_python(text, *test.find("data"));
    follow(made->constraint, words.encode(text, added_tokens_in_text::plain), mask, out);
  }
}

int main_of(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: grammar_bench TOKENIZER_DIR SCHEMAS.jsonl [width]\n");
    return 2;
  }
  auto loaded = tokenizer::load(argv[1]);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 1;
  }
  const auto words = std::make_shared<const tokenizer>(*std::move(loaded));
  const auto width = argc > 3 ? static_cast<std::uint32_t>(std::atoi(argv[3])) : 151'936U;
  const auto begin = clock::now();
  const grammar_compiler compiler(words, {0}, width);
  std::printf("tables of the vocabulary: %.0f ms\n", microseconds(begin) / 1'000);
  std::vector<std::uint32_t> mask((std::max(width, words->vocab_size()) + 31) / 32);
  timings out;
  std::ifstream in(argv[2]);
  for (std::string line; std::getline(in, line);) {
    const auto row = parse_json(line);
    if (row) run(compiler, *words, *row, mask, out);
  }
  std::printf("%zu compiled, %zu refused, %zu instances left the grammar\n", out.compile.size(),
              out.refused, out.left);
  print("compile", out.compile);
  print("to first mask", out.first_mask);
  print("mask", out.mask);
  print("accept", out.accept);
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::main_of(argc, argv); }
