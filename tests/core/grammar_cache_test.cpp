#include "core/grammar_cache.hpp"

#include "rule_constraint.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr steady_time now{};

// Takes as many bytes as it says, and later more.
class sized_constraint : public token_constraint {
 public:
  explicit sized_constraint(std::size_t num_bytes) : num_bytes_(num_bytes) {}
  std::unique_ptr<constraint_state> start() const override { return nullptr; }
  std::size_t num_bytes() const override { return num_bytes_; }
  bool is_exhausted() const override { return is_exhausted_; }
  void grow(std::size_t num_bytes) { num_bytes_ = num_bytes; }
  void exhaust() { is_exhausted_ = true; }

 private:
  bool is_exhausted_ = false;
  std::size_t num_bytes_;
};

bound_grammar of_size(std::size_t num_bytes) {
  return {std::make_shared<sized_constraint>(num_bytes), {}};
}

grammar_refusal wrong(std::string why) {
  return refuse_grammar(error_code::unsupported, "/a", "b", std::move(why));
}

}  // namespace

TEST_CASE("what was unused for longest gives way, by count") {
  grammar_cache cache(1 << 20, 2);
  cache.add("a", of_size(1));
  cache.add("b", wrong("no"));
  CHECK(cache.find("a", now));
  cache.add("c", of_size(1));
  CHECK(cache.size() == 2);
  CHECK_FALSE(cache.find("b", now));
  CHECK(cache.find("a", now));
  CHECK(cache.find("c", now));
}

TEST_CASE("what was unused for longest gives way, by bytes that grow") {
  grammar_cache cache(10'000, 100);
  auto growing = std::make_shared<sized_constraint>(1'000);
  cache.add("a", bound_grammar{growing, {}});
  cache.add("b", of_size(4'000));
  cache.add("c", of_size(4'000));
  CHECK(cache.size() == 3);
  CHECK(cache.num_bytes() > 9'000);
  CHECK(cache.num_bytes() <= 10'000);
  growing->grow(6'000);
  CHECK(cache.find("a", now));
  cache.add("d", of_size(10));
  CHECK(cache.find("a", now));
  CHECK(cache.find("d", now));
  CHECK(cache.size() == 2);
  CHECK(cache.num_bytes() <= 10'000);
  cache.add("e", of_size(20'000));
  CHECK_FALSE(cache.find("e", now));
  CHECK(cache.find("d", now));
}

TEST_CASE("keys and reasons count, and a refusal is as good as its time") {
  grammar_cache cache(5'000, 100);
  cache.add(std::string(3'000, 'k'), wrong("x"));
  cache.add("l", wrong(std::string(3'000, 'w')));
  CHECK(cache.size() == 1);
  cache.add("m", wrong("slow"), now + 60s);
  auto* known = cache.find("m", now + 59s);
  REQUIRE(known);
  CHECK(known->error().why.reason == "slow");
  CHECK_FALSE(cache.find("m", now + 60s));
  CHECK(cache.size() == 1);
  cache.add("m", of_size(1));
  CHECK(*cache.find("m", now + 90s));
}

TEST_CASE("a grammar that ran out of its memory is made anew") {
  grammar_cache cache(10'000, 100);
  auto used_up = std::make_shared<sized_constraint>(1'000);
  cache.add("a", bound_grammar{used_up, {}});
  REQUIRE(cache.find("a", now));
  used_up->exhaust();
  CHECK_FALSE(cache.find("a", now));
  CHECK(cache.size() == 0);
  CHECK(cache.num_bytes() == 0);
  cache.add("a", of_size(1));
  CHECK(cache.find("a", now));
}
