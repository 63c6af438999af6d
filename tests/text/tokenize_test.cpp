// `troupe tokenize`: JSON lines in, JSON lines out.
#include "cli/tokenize.hpp"

#include "small_model.hpp"

#include <doctest/doctest.h>

#include <sstream>

namespace troupe {
namespace {

std::string answer(const std::string& lines) {
  const temporary_folder folder;
  folder.write_json("tokenizer.json", small_model{}.tokenizer_json());
  std::istringstream in(lines);
  std::ostringstream out, err;
  CHECK(run_tokenize(folder.path(), in, out, err) == 0);
  CHECK(err.str().empty());
  return out.str();
}

TEST_CASE("each line is answered in its place, bad ones with an error") {
  CHECK(answer("{\"text\":\"abc<|end|>\"}\n"
               "nonsense\n"
               "{\"text\":\"<|end|>\",\"parse_special\":false}\n"
               "{\"ids\":[257,263]}\n"
               "{\"ids\":[257,263],\"skip_special_tokens\":true}") ==
        "{\"ids\":[257,263]}\n"
        "{\"error\":\"the JSON text is malformed: \\\"nonsense\\\" is no value\"}\n"
        "{\"ids\":[60,124,101,110,100,124,62]}\n"
        "{\"text\":\"abc<|end|>\"}\n"
        "{\"text\":\"abc\"}\n");
}

TEST_CASE("wrong types and keys are named") {
  CHECK(answer("[]") == "{\"error\":\"\\\"line\\\" must be an object, found an array\"}\n");
  CHECK(answer("{\"text\":1}") ==
        "{\"error\":\"\\\"text\\\" must be a string, found a number\"}\n");
  CHECK(answer("{\"ids\":{}}") ==
        "{\"error\":\"\\\"ids\\\" must be an array, found an object\"}\n");
  CHECK(answer("{\"ids\":[1,-1]}") == "{\"error\":\"\\\"ids\\\" must hold token ids only\"}\n");
  CHECK(answer("{\"ids\":[4294967296]}").find("token ids only") != std::string::npos);
  CHECK(answer("{\"text\":\"a\",\"parse_special\":1}").find("must be a boolean") !=
        std::string::npos);
  CHECK(answer("{}").find("must have the key") != std::string::npos);
  CHECK(answer("{\"messages\":[]}").find("chat template") != std::string::npos);
}

TEST_CASE("a model that cannot be loaded ends the command") {
  const temporary_folder folder;
  std::istringstream in("{\"text\":\"a\"}");
  std::ostringstream out, err;
  CHECK(run_tokenize(folder.path(), in, out, err) == 1);
  CHECK(out.str().empty());
  CHECK(err.str().find("tokenizer.json") != std::string::npos);
}

}  // namespace
}  // namespace troupe
