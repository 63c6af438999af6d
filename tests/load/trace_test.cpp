#include "load/trace.hpp"

#include <doctest/doctest.h>

#include <string>

#include "load/prompts.hpp"

using namespace troupe;
using namespace troupe::load;

TEST_CASE("Azure's trace") {
  auto rows = parse_trace(
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2023-11-16 23:59:59.9799600,374,44\r\n"
      "2023-11-17 00:00:00.4799600,396,109\r\n");
  REQUIRE(rows);
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[0].time == 0);
  CHECK((*rows)[1].time == doctest::Approx(0.5));
  CHECK((*rows)[1].prompt_tokens == 396);
  CHECK((*rows)[1].output_tokens == 109);
  CHECK(parse_trace("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                    "2024-05-10 00:00:00.009930+00:00,2162,5\n")
            ->size() == 1);
}

TEST_CASE("BurstGPT's trace: failures are left out, times begin at 0") {
  auto rows = parse_trace(
      "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
      "5,ChatGPT,472,18,490,Conversation log\n"
      "45,ChatGPT,1087,0,1087,Conversation log\n"
      "118,GPT-4,417,276,693,API log\n");
  REQUIRE(rows);
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[1].time == 113);
  CHECK((*rows)[1].prompt_tokens == 417);
}

TEST_CASE("Mooncake's trace: the same block is the same text") {
  auto rows = parse_trace(
      R"({"timestamp": 0, "input_length": 1030, "output_length": 5, "hash_ids": [0, 1, 2]})"
      "\n"
      R"({"timestamp": 3000, "input_length": 1100, "output_length": 6, "hash_ids": [0, 1, 9]})"
      "\n");
  REQUIRE(rows);
  CHECK((*rows)[1].time == 3);
  auto prompts = make_trace_prompts(*rows, {});
  auto one = prompts->make(0), other = prompts->make(1);
  auto shared = made_words(0x626C6F63, 0, 512) + " " + made_words(0x626C6F63, 1, 512) + " ";
  CHECK(one.turns[0].starts_with(shared));
  CHECK(other.turns[0].starts_with(shared));
  CHECK(one.turns[0] != other.turns[0]);
  CHECK(one.max_tokens == std::vector<std::uint32_t>{5});
}

TEST_CASE("what is no trace is refused with its line") {
  CHECK(!parse_trace(""));
  CHECK(!parse_trace("a,b,c\n1,2,3\n"));
  CHECK(!parse_trace("TIMESTAMP,ContextTokens,GeneratedTokens\n"));
  for (auto row : {"2023-13-16 18:17:03,1,2", "yesterday,1,2", "2023-11-16 18:17:03,1",
                   "2023-11-16 18:17:03,-1,2", "2023-11-16 18:17:03,nan,2"}) {
    auto refused = parse_trace(std::string("TIMESTAMP,ContextTokens,GeneratedTokens\n") + row);
    REQUIRE(!refused);
    CHECK(refused.error().message == "line 2 is no row of this trace");
  }
  CHECK(!parse_trace(R"({"timestamp": 0})"));
}
