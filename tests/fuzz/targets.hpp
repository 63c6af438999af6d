// What is fuzzed: every parser of bytes that come from elsewhere, from clients, other processes,
// model directories and people's files. Each target takes any bytes; it fails by aborting, or by
// what a sanitizer finds.
#pragma once
#include <span>
#include <string_view>

#include "net/service.hpp"

namespace troupe::test {

struct fuzz_target {
  std::string_view name;
  void (*run)(std::string_view input);
};

std::span<const fuzz_target> body_targets();  // what clients send
std::span<const fuzz_target> file_targets();  // what a model directory holds
std::span<const fuzz_target> text_targets();  // words, lines and files of people and of servers
std::span<const fuzz_target> wire_targets();  // what other processes send

// All of them.
std::span<const fuzz_target> all_fuzz_targets();

[[noreturn]] void fail(std::string_view why, std::string_view what);
// The demo model's tokenizer and template, and limits that bind.
const service& demo_facts();
// A refusal must say something, or a person is left with nothing.
template <class Outcome>
bool is_taken(const Outcome& out, std::string_view input) {
  if (!out && out.error().message.empty()) fail("a refusal says nothing", input);
  return static_cast<bool>(out);
}

}  // namespace troupe::test
