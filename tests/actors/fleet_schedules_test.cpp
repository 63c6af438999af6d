// Many random schedules of a router and its replicas: whichever of them die, are cut off, fail or
// come back, every request ends once, its text is the one that it would have had alone, and all
// pages come back.
#include "fleet_stage.hpp"
#include "rule_constraint.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr token_id eos = 13;
constexpr std::uint64_t num_requests = 24;
const auto rule_text = std::make_shared<const std::string>("sum");

engine_limits limits_of(std::uint32_t num_pages, std::uint32_t max_num_seqs) {
  engine_limits limits;
  limits.num_pages = num_pages;
  limits.max_num_seqs = max_num_seqs;
  limits.max_num_batched_tokens = 24;
  limits.max_model_len = 2048;
  limits.eos_token_ids = {eos};
  limits.vocab_size = fake_vocab_size;
  limits.prefix_secret = 7;
  return limits;
}

class fleet_schedule {
 public:
  explicit fleet_schedule(unsigned seed)
      : random_(seed), stage_(limits(), limits_of(7 + below(16), 1 + below(8))) {
    stage_.grammars[*rule_text] = follow_the_sum(eos);
  }

  void play() {
    for (auto i = 1 + below(3); i > 0; --i) stage_.join();
    for (std::uint64_t i = 1; i <= num_requests; ++i) {
      post(i);
      shuffle(below(60));
      if (below(5) == 0) stage_.self->send(stage_.queue, cancel{{1 + below(unsigned(i))}});
      if (below(5) == 0) disturb();
      if (below(4) == 0) stage_.join();
    }
    shuffle(100'000);
    stage_.join();
    stage_.play();
    for (int i = 0; i < 4; ++i) stage_.advance(20min);
  }

  void check() {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      CAPTURE(i);
      REQUIRE(answers_[i]->endings.size() == 1);
      auto& end = answers_[i]->endings[0];
      auto& got = answers_[i]->tokens;
      auto expected = expected_answer(requests_[i], eos);
      REQUIRE(got.size() <= expected.size());
      CHECK(std::equal(got.begin(), got.end(), expected.begin()));
      bool is_whole = end.why == finish_reason::stop || end.why == finish_reason::length;
      CHECK(is_whole == (got.size() == expected.size()));
      if (is_whole) CHECK(end.usage.completion_tokens == got.size());
      ++num_endings[end.why];
    }
    auto now = stage_.status();
    CHECK(now.num_stranded == 0);
    for (auto& [name, num_requests_there] : now.outstanding) CHECK(num_requests_there == 0);
    for (auto& [name, house] : stage_.houses) CHECK(count_free_pages(*house) == num_pages_);
    num_resumed += now.num_resumed;
  }

  static inline std::map<finish_reason, int> num_endings;
  static inline std::uint64_t num_resumed = 0;

 private:
  unsigned below(unsigned n) { return unsigned(random_() % n); }

  engine_limits limits() { return limits_of(22, 8); }

  void disturb() {
    if (stage_.houses.empty()) return;
    auto it = std::next(stage_.houses.begin(), below(unsigned(stage_.houses.size())));
    auto name = it->first;
    switch (below(3)) {
      case 0: stage_.lose(name); break;
      case 1: stage_.cut(name); break;
      default: stage_.self->send(stage_.routes, replica_opened{name, below(2) == 0});
    }
  }

  std::uint32_t count_free_pages(const replica_house& house) {
    std::uint32_t num_free = 0;
    auto answer = stage_.self->request(house.pages, caf::infinite, release_pages{});
    stage_.play();
    answer.receive([&](const pages_released& a) { num_free = a.num_available; },
                   [](const caf::error&) {});
    num_pages_ = house.device->num_pages();
    return num_free;
  }

  void post(std::uint64_t id) {
    generation_request r{.id = {id}};
    auto num_shared = below(2) * 30;
    for (auto i = 0U, n = 1 + below(50); i < n; ++i)
      r.prompt.push_back(token_id(i < num_shared ? i : id * 1000 + i));
    r.sampling.max_tokens = 1 + below(60);
    r.sampling.seed = id % 3;
    r.priority = int(below(3));
    if (below(3) == 0) {
      r.constraint = follow_the_sum(eos);
      r.grammar_text = rule_text;
    }
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
  fleet_stage stage_;
  std::uint32_t num_pages_ = 0;
  std::vector<generation_request> requests_;
  std::vector<std::shared_ptr<heard>> answers_;
};

}  // namespace

TEST_CASE("two hundred random schedules of a fleet: no request is lost, none is answered twice") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    fleet_schedule s(seed);
    s.play();
    s.check();
  }
  for (auto why : {finish_reason::stop, finish_reason::length, finish_reason::cancelled})
    CHECK(fleet_schedule::num_endings[why] > 50);
  CHECK(fleet_schedule::num_endings[finish_reason::timed_out] == 0);
  CHECK(fleet_schedule::num_resumed > 500);
}
