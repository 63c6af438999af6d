// How long grammars take to compile and masks to make, over recorded schemas and their instances:
// grammar_bench TOKENIZER_DIR SCHEMAS.jsonl [width of the logits [json | tokens]]
// With `json` the figures are one JSON object; with `tokens` nothing is measured, but printed what
// another engine needs for the same: the bytes of all tokens in hex, then each row in tokens.
#include "text/grammar/compiled_grammar.hpp"
#include "text/grammar/grammar.hpp"
#include "text/json.hpp"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {
namespace {

double microseconds(clockid_t clock) {
  timespec at{};
  clock_gettime(clock, &at);
  return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

// The less of two times, of which each counts something that is not the work: other programs on the
// processor, and half a microsecond in the system that it takes to ask for this thread's time.
class stopwatch {
 public:
  double microseconds_passed() const {
    const double wall = microseconds(CLOCK_MONOTONIC) - wall_;
    return std::min(wall, microseconds(CLOCK_THREAD_CPUTIME_ID) - processor_);
  }

 private:
  double processor_ = microseconds(CLOCK_THREAD_CPUTIME_ID);
  double wall_ = microseconds(CLOCK_MONOTONIC);  // begins last and ends first
};

constexpr std::pair<const char*, double> parts[] = {{"p50", 0.5},  {"p90", 0.9},     {"p95", 0.95},
                                                    {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

json_value figures(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  json_object out{{"n", static_cast<std::int64_t>(values.size())}};
  double sum = 0;
  for (const double value : values) sum += value;
  if (!values.empty()) {
    out.emplace_back("avg", std::round(10 * sum / static_cast<double>(values.size())) / 10);
  }
  for (const auto& [name, part] : parts) {
    if (values.empty()) break;
    const double at = part * static_cast<double>(values.size() - 1);
    out.emplace_back(name, std::round(10 * values[static_cast<std::size_t>(at)]) / 10);
  }
  return out;
}

void print(const char* what, const json_value& value) {
  std::string text;
  append_json_python(text, value);
  std::printf("%-18s %s\n", what, text.c_str());
}

constexpr token_id eos = 151'645;

struct timings {
  std::vector<double> compile, first_mask, mask, accept;
  std::size_t refused = 0, valid_rejected = 0, invalid_accepted = 0, forced = 0;
  std::size_t max_bytes = 0;
};

std::vector<token_id> encoded(const tokenizer& words, const json_value& test) {
  std::string text;
  append_json_python(text, *test.find("data"));
  return words.encode(text, added_tokens_in_text::plain);
}

// Goes through one instance token by token, as an engine would, and judges it.
void follow(const token_constraint_ptr& made, const std::vector<token_id>& ids, bool is_valid,
            std::vector<std::uint32_t>& mask, timings& out) {
  const auto state = made->start();
  std::size_t forced_until = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const stopwatch masking;
    state->fill_mask(mask);
    if (is_valid) out.mask.push_back(masking.microseconds_passed());
    if (is_valid && i >= forced_until) {
      forced_until = i + state->forced_tokens().size();
      out.forced += forced_until - i;
    }
    const stopwatch accepting;
    const bool taken = state->accept(ids[i]);
    if (is_valid) out.accept.push_back(accepting.microseconds_passed());
    if (taken) continue;
    if (is_valid) ++out.valid_rejected;
    return;
  }
  state->fill_mask(mask);
  const bool may_end = (mask[eos / 32] >> (eos % 32) & 1U) != 0;
  if (is_valid && !may_end) ++out.valid_rejected;
  if (!is_valid && may_end) ++out.invalid_accepted;
}

void run(const grammar_compiler& compiler, const tokenizer& words, const json_value& row,
         std::vector<std::uint32_t>& mask, timings& out) {
  const stopwatch compiling;
  const auto made = compiler.json_schema(*row.find("schema"));
  const double compile = compiling.microseconds_passed();
  if (!made) {
    ++out.refused;
    return;
  }
  out.compile.push_back(compile);
  made->constraint->start()->fill_mask(mask);
  out.first_mask.push_back(compiling.microseconds_passed());
  for (const json_value& test : *row.find("tests")->as_array()) {
    follow(made->constraint, encoded(words, test), *test.find("valid")->as_bool(), mask, out);
  }
  out.max_bytes = std::max(out.max_bytes, made->constraint->num_bytes());
}

json_value summary(timings& all) {
  const auto count = [](std::size_t n) { return json_value(static_cast<std::int64_t>(n)); };
  return json_object{{"compiled", count(all.compile.size())},
                     {"refused", count(all.refused)},
                     {"valid_rejected", count(all.valid_rejected)},
                     {"invalid_accepted", count(all.invalid_accepted)},
                     {"forced_tokens", count(all.forced)},
                     {"max_grammar_bytes", count(all.max_bytes)},
                     {"compile_us", figures(all.compile)},
                     {"first_mask_us", figures(all.first_mask)},
                     {"mask_us", figures(all.mask)},
                     {"accept_us", figures(all.accept)}};
}

void print_line(const json_value& value) {
  std::string text;
  append_json(text, value);
  std::printf("%s\n", text.c_str());
}

void print_tokens(const tokenizer& words, std::ifstream& in) {
  json_array bytes;
  for (std::uint32_t i = 0; i < words.vocab_size(); ++i) {
    std::string hex;
    for (const char c : words.bytes(static_cast<token_id>(i))) {
      hex += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4U];
      hex += "0123456789abcdef"[static_cast<unsigned char>(c) & 15U];
    }
    bytes.emplace_back(std::move(hex));
  }
  print_line(bytes);
  for (std::string line; std::getline(in, line);) {
    const auto row = parse_json(line);
    if (!row) continue;
    json_array tests;
    for (const json_value& test : *row->find("tests")->as_array()) {
      json_array ids;
      for (const token_id id : encoded(words, test)) ids.emplace_back(std::int64_t{id});
      tests.emplace_back(json_object{{"valid", *test.find("valid")}, {"ids", std::move(ids)}});
    }
    print_line(json_object{{"schema", *row->find("schema")}, {"tests", std::move(tests)}});
  }
}

int main_of(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: grammar_bench TOKENIZER_DIR SCHEMAS.jsonl [width [json | tokens]]\n");
    return 2;
  }
  auto loaded = tokenizer::load(argv[1]);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 1;
  }
  const auto words = std::make_shared<const tokenizer>(*std::move(loaded));
  const auto width = argc > 3 ? static_cast<std::uint32_t>(std::atoi(argv[3])) : 151'936U;
  std::ifstream in(argv[2]);
  const std::string_view form = argc > 4 ? argv[4] : "";
  if (form == "tokens") {
    print_tokens(*words, in);
    return 0;
  }
  const grammar_compiler compiler(words, {eos}, width);
  std::vector<std::uint32_t> mask((std::max(width, words->vocab_size()) + 31) / 32);
  timings all;
  for (std::string line; std::getline(in, line);) {
    const auto row = parse_json(line);
    if (row) run(compiler, *words, *row, mask, all);
  }
  const json_value out = summary(all);
  if (form == "json") {
    print_line(out);
    return 0;
  }
  for (const auto& [name, value] : *out.as_object()) {
    print(name.c_str(), value);
  }
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::main_of(argc, argv); }
