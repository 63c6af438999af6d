// Many random schedules of the real actors: whatever happens in whatever order, every request ends
// once, its text is the one that it would have had alone, and all pages come back.
#include "rule_constraint.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr token_id eos = 13;
constexpr std::uint64_t num_requests = 24;

// Five words of four letters, of which each begins freely and goes on as it must.
token_constraint_ptr words() {
  return make_rule([](const std::vector<token_id>& so_far, token_id token) {
    auto n = so_far.size();
    if (n == 20) return token == eos;
    return token != eos && (n % 4 == 0 || token == (so_far[n - 1] * 7 + 1) % 980 + 14);
  });
}

class schedule {
 public:
  explicit schedule(unsigned seed) : random_(seed), stage_(limits()) {}

  void play() {
    if (below(5) == 0) stage_.device().num_until_failure = int(20 + below(200));
    // A token of one prompt, perhaps, that no device can compute.
    if (below(3) == 0) poison_ = token_id((1 + below(num_requests)) * 1000 + below(20));
    stage_.device().poison = poison_;
    for (std::uint64_t i = 1; i <= num_requests; ++i) {
      post(i);
      shuffle(below(25));
      if (below(4) == 0) stage_.self->send(stage_.queue, cancel{any_request(i)});
      if (below(2) == 0) stage_.make_late(any_request(i));
      if (below(2) == 0) stage_.make_timely(any_request(i));
      if (below(6) == 0) stage_.director().advance_time(std::chrono::milliseconds(below(30)));
    }
    for (auto& r : requests_) stage_.make_timely(r.id);
    shuffle(100'000);
    stage_.play();
    // A device that died is replaced, sometimes by one that dies, too; then what it left goes on.
    while (stage_.device().has_failed) restart();
    for (int i = 0; i < 4; ++i) stage_.advance(20min);
  }

  void check() {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      CAPTURE(i);
      REQUIRE(answers_[i]->endings.size() == 1);
      auto& end = answers_[i]->endings[0];
      auto& got = answers_[i]->tokens;
      auto expected = expected_answer(requests_[i], eos);
      CHECK(end.usage.completion_tokens == got.size());
      REQUIRE(got.size() <= expected.size());
      CHECK(std::equal(got.begin(), got.end(), expected.begin()));
      bool is_whole = end.why == finish_reason::stop || end.why == finish_reason::length;
      CHECK(is_whole == (got.size() == expected.size()));
      ++num_endings[end.why];
    }
    CHECK(stage_.metric_sum("vllm:request_success_total") == num_requests);
    CHECK(stage_.metric("troupe_kv_pages_used") == 0);
    CHECK(stage_.metric("vllm:num_requests_running") == 0);
    CHECK(stage_.metric("vllm:num_requests_waiting") == 0);
    CHECK(stage_.num_constraints() == 0);
  }

  // Over all schedules, so that a test can tell that they are not idle.
  static inline std::map<finish_reason, int> num_endings;
  static inline double num_late_masks = 0, num_forced = 0, num_preemptions = 0, num_drafts = 0;
  static inline int num_restarts = 0;

  void count() {
    num_late_masks += stage_.metric("troupe_grammar_late_masks_total");
    num_forced += stage_.metric("troupe_grammar_forced_tokens_total");
    num_preemptions += stage_.metric("vllm:num_preemptions_total");
    num_drafts += stage_.metric("vllm:spec_decode_num_draft_tokens_total");
  }

 private:
  unsigned below(unsigned n) { return unsigned(random_() % n); }
  request_id any_request(std::uint64_t last) { return {1 + below(unsigned(last))}; }

  void restart() {
    ++num_restarts_;
    ++num_restarts;
    stage_.restart();
    stage_.device().poison = poison_;
    if (num_restarts_ < 4 && below(4) > 0) stage_.device().num_until_failure = int(1 + below(8));
    shuffle(below(200));
    stage_.play();
  }

  engine_limits limits() {
    engine_limits limits;
    limits.num_pages = 7 + below(16);
    limits.max_num_seqs = 1 + below(8);
    limits.max_num_batched_tokens = 8 + below(40);
    limits.max_model_len = 2048;
    limits.eos_token_ids = {eos};
    limits.vocab_size = fake_vocab_size;
    limits.enable_prefix_caching = below(2) == 0;
    limits.num_speculative_tokens = below(2) * 4;
    return limits;
  }

  void post(std::uint64_t id) {
    generation_request r{.id = {id}};
    auto num_shared = below(2) * 30;
    for (auto i = 0U, n = 1 + below(50); i < n; ++i)
      r.prompt.push_back(token_id(i < num_shared ? i : id * 1000 + i));
    r.sampling.max_tokens = 1 + below(60);
    r.sampling.seed = below(3) ? id % 3 : copying_seed + below(4);
    r.priority = int(below(3));
    if (auto kind = below(3); kind > 0) r.constraint = kind == 1 ? follow_the_sum(eos) : words();
    if (below(6) == 0)
      r.deadline = stage_.director().clock().now() + std::chrono::milliseconds(below(60));
    requests_.push_back(r);
    answers_.push_back(std::make_shared<heard>());
    stage_.post(std::move(r), answers_.back());
  }

  // Whoever has mail may be next.
  void shuffle(unsigned num_turns) {
    auto& jobs = stage_.director().jobs;
    for (; num_turns > 0 && !jobs.empty(); --num_turns) {
      std::swap(jobs.front(), jobs[below(unsigned(jobs.size()))]);
      stage_.director().run_once();
    }
  }

  std::mt19937 random_;
  stage stage_;
  int num_restarts_ = 0;
  std::optional<token_id> poison_;
  std::vector<generation_request> requests_;
  std::vector<std::shared_ptr<heard>> answers_;
};

}  // namespace

TEST_CASE("two hundred random schedules: each request ends once, with its own text") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    schedule s(seed);
    s.play();
    s.check();
    s.count();
  }
  for (auto why : {finish_reason::stop, finish_reason::length, finish_reason::cancelled,
                   finish_reason::failed, finish_reason::timed_out})
    CHECK(schedule::num_endings[why] > 20);
  CHECK(schedule::num_late_masks > 100);
  CHECK(schedule::num_forced > 1000);
  CHECK(schedule::num_preemptions > 50);
  CHECK(schedule::num_drafts > 100);
  CHECK(schedule::num_restarts > 30);
}
