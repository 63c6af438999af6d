#include "core/retry.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace troupe;

TEST_CASE("who was in a failed step is tried again as a suspect, and is guilty the second time") {
  failure_record r;
  CHECK(judge_failed(r, true, false) == retry_verdict::again);
  CHECK(r.is_suspect);
  CHECK(judge_failed(r, true, true) == retry_verdict::guilty);
}

TEST_CASE("who waited, or ran beside a suspect, is not suspected") {
  failure_record waiting, beside;
  CHECK(judge_failed(waiting, false, false) == retry_verdict::again);
  CHECK(waiting.num_failures == 0);
  CHECK(judge_failed(beside, true, true) == retry_verdict::again);
  CHECK_FALSE(beside.is_suspect);
}

TEST_CASE("nobody is tried for ever") {
  failure_record r;
  std::uint32_t num_tries = 1;
  while (judge_failed(r, true, true) == retry_verdict::again) ++num_tries;
  CHECK(num_tries == max_failures);
}

// One of them breaks every step that it is in; a step takes all that may be in it.
TEST_CASE("of any number of requests the poisoned one alone is found, in two failures") {
  for (std::size_t count : {1, 2, 7, 64})
    for (std::size_t poisoned = 0; poisoned < count; poisoned += 3) {
      std::vector<failure_record> left(count);
      std::vector<bool> is_over(count, false);
      int num_failures = 0;
      for (bool failed = true; failed;) {
        failed = false;
        std::vector<bool> runs(count, false);
        bool has_suspect = false;
        // Round by round: at most one suspect enters, who came through is none any more.
        for (std::size_t next = 0; next <= count && !failed; ++next) {
          for (std::size_t i = 0; i < count; ++i) {
            if (is_over[i] || runs[i] || (left[i].is_suspect && has_suspect)) continue;
            has_suspect = has_suspect || left[i].is_suspect;
            runs[i] = true;
          }
          failed = runs[poisoned];
          if (failed) break;
          for (std::size_t i = 0; i < count; ++i)
            if (runs[i]) left[i].is_suspect = false;
          has_suspect = false;
        }
        if (!failed) break;
        ++num_failures;
        for (std::size_t i = 0; i < count; ++i)
          if (!is_over[i] && judge_failed(left[i], runs[i], has_suspect) == retry_verdict::guilty)
            is_over[i] = true;
      }
      for (std::size_t i = 0; i < count; ++i) CHECK(is_over[i] == (i == poisoned));
      CHECK(num_failures == 2);
    }
}
