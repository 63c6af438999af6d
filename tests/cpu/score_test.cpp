// `troupe score` as a user meets it: lines in, lines out.
#include "cli/score.hpp"
#include "golden.hpp"
#include "text/json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

using namespace troupe;
using namespace troupe::testing;

namespace {

std::vector<json_value> score(const std::string& lines, const score_options& options) {
  std::istringstream in(lines);
  std::ostringstream out;
  std::ostringstream err;
  REQUIRE(run_score(golden_models() / "tiny", options, in, out, err) == 0);
  REQUIRE(err.str().empty());
  std::vector<json_value> answers;
  std::istringstream answered(out.str());
  for (std::string line; std::getline(answered, line);) {
    answers.push_back(value_of(parse_json(line)));
  }
  return answers;
}

std::string line_of(const std::vector<std::int32_t>& ids) {
  std::string line = "{\"ids\":[";
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) line += ',';
    line += std::to_string(ids[i]);
  }
  line += "]}\n";
  return line;
}

double number_at(const json_value& answer, const char* key, std::size_t i) {
  double value = NAN;
  REQUIRE(answer.find(key)->as_array()->at(i).get_number(value));
  return value;
}

}  // namespace

TEST_CASE("score answers the recorded argmax, log-sum-exp, top logits and greedy tokens") {
  if (golden_models().empty()) return;
  auto prompts = read_npz(golden_models() / "golden" / "prompts.npz");
  auto golden = read_npz(golden_models() / "golden" / "tiny_f32.npz");
  const auto ids = prompts.at("ids_64").ints();
  const auto answers =
      score(line_of(ids) + line_of(prompts.at("ids_7").ints()), {dtype::float32, 2, 8, 1});
  REQUIRE(answers.size() == 2);
  const auto argmax = golden.at("argmax_64").ints();
  const auto lse = golden.at("lse_64").floats();
  const auto top = golden.at("top16_val_64").floats();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    CHECK(number_at(answers[0], "argmax", i) == argmax[i]);
    CHECK(std::fabs(number_at(answers[0], "lse", i) - lse[i]) <= 2e-4);
    double highest = 0;
    REQUIRE(
        answers[0].find("top_logits")->as_array()->at(i).as_array()->at(15).get_number(highest));
    CHECK(std::fabs(highest - top[i * 16 + 15]) <= 2e-4);
  }
  const auto greedy = golden.at("greedy_7").ints();
  for (std::size_t i = 0; i < 8; ++i) CHECK(number_at(answers[1], "greedy", i) == greedy[i]);
}

TEST_CASE("a bad line gets its own error and the next line is scored") {
  if (golden_models().empty()) return;
  const auto answers = score(
      "{\"ids\":[]}\n{\"ids\":[151936]}\n{\"ids\":[-1]}\nnonsense\n{}\n{\"ids\":[1.5]}\n{\"ids\":["
      "1]}\n",
      {dtype::bfloat16, 1, 0, 1});
  REQUIRE(answers.size() == 7);
  for (std::size_t i = 0; i < 6; ++i) CHECK(answers[i].find("error") != nullptr);
  CHECK(*answers[1].find("error")->as_string() ==
        "\"ids\"[0] is not a token id: an integer from 0 to 151935 is needed.");
  CHECK(answers[6].find("argmax")->as_array()->size() == 1);
}

TEST_CASE("a model that cannot be loaded is refused on the error stream") {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_score("/nowhere", {}, in, out, err) == 1);
  CHECK(out.str().empty());
  CHECK_FALSE(err.str().empty());
}
