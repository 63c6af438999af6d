#include "load/slo.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::load;

namespace {

stage_result some_stage() {
  stage_result out;
  out.duration = out.drained = 10;
  out.totals.succeeded = 99;
  out.totals.failed = 1;
  out.totals.output_tokens = 1000;
  for (int i = 1; i <= 100; ++i) out.times.e2e.observe(i * 0.01);
  return out;
}

bool is_met(const char* text) {
  auto clauses = parse_slo(text);
  REQUIRE(clauses);
  return all_met(judge(*clauses, some_stage()));
}

}  // namespace

TEST_CASE("clauses about times, shares and rates") {
  CHECK(is_met("success>=99%,e2e_mean<1s,e2e_p99<2s"));
  CHECK(is_met("success>=0.99"));
  CHECK(!is_met("success>99%"));
  CHECK(!is_met("e2e_p99<990ms"));
  CHECK(is_met("e2e_max<=1s"));
  CHECK(!is_met("e2e_max<1s"));
  CHECK(is_met("failed<=1%,rejected<=0%"));
  CHECK(is_met("rps>9,tokens>=100"));
  CHECK(!is_met("rps>10"));
}

TEST_CASE("a clause about times of which there is none is not met") {
  CHECK(!is_met("ttft_p99<10s"));
  CHECK(!is_met("e2e_p99<10s,itl_mean<10s"));
}

TEST_CASE("what is no clause") {
  for (auto text : {"", "e2e", "e2e<1s", "e2e_p98<1s", "e2e_p99<", "e2e_p99=1s", "e2e_p99<1x",
                    "success>=101%", "success>=1s", "rps>fast", "ttft_p99<1s,", "<1s"})
    CHECK(!parse_slo(text));
}

TEST_CASE("good requests are within every limit") {
  auto limits = parse_goodput("ttft<500ms,tpot<=50ms,e2e<2s");
  REQUIRE(limits);
  request_record record;
  record.due = 1;
  record.end = 2;
  record.ttft = 0.4;
  record.output_tokens = 13;
  CHECK(limits->are_kept(record));
  record.output_tokens = 12;  // (1 - 0.4) / 11 is more than 50 ms
  CHECK(!limits->are_kept(record));
  record.output_tokens = 1;  // nothing between tokens
  CHECK(limits->are_kept(record));
  record.ttft = -1;
  CHECK(!limits->are_kept(record));
  CHECK(request_limits{}.are_kept(record));
  for (auto text : {"ttft>1s", "itl<1s", "success<1", "ttft_p99<1s", ""})
    CHECK(!parse_goodput(text));
}
