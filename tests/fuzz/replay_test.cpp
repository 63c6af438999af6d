// Every input that fuzzing found worth keeping, one line of hexadecimal digits each.
#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "targets.hpp"

namespace troupe::test {
namespace {

int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string from_hex(const std::string& line) {
  std::string out;
  for (std::size_t i = 0; i + 1 < line.size(); i += 2)
    out += static_cast<char>(digit(line[i]) * 16 + digit(line[i + 1]));
  return out;
}

TEST_CASE("what fuzzing kept goes through every parser") {
  for (const auto& target : all_fuzz_targets()) {
    auto path = std::string(TROUPE_FUZZ_CORPUS "/") + std::string(target.name) + ".txt";
    std::ifstream file(path);
    REQUIRE_MESSAGE(file, path);
    std::size_t num_inputs = 0;
    for (std::string line; std::getline(file, line); ++num_inputs) target.run(from_hex(line));
    CHECK_MESSAGE(num_inputs > 10, path);
  }
}

}  // namespace
}  // namespace troupe::test
