#include "simulated_workloads.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

namespace troupe::simulation {
namespace {

constexpr std::uint32_t most_output_tokens = 1000;
constexpr double longest_prompt = 10'000;

std::uint32_t at_least_one(double x) { return static_cast<std::uint32_t>(std::max(1.0, x)); }

std::uint32_t draw_output(dice& random, double mean) {
  return std::min(most_output_tokens, at_least_one(random.exponential(mean)));
}

class chat_room {
 public:
  chat_room(const chat_options& options, std::uint64_t seed) : options_(options), random_(seed) {
    for (std::uint32_t i = 0; i < options.num_system_prompts; ++i)
      system_prompts_.push_back(random_.tokens(options.num_system_tokens));
    for (std::uint32_t i = 0; i < options.num_conversations; ++i) going_on_.push_back(begin());
  }

  std::optional<job> next() {
    now_ += random_.exponential(1 / options_.per_second(now_));
    if (now_ >= options_.end) return std::nullopt;
    auto& talk = going_on_[random_.below(options_.num_conversations)];
    job turn{.arrival = now_, .conversation = talk.id, .tokens = talk.said};
    append(turn.tokens, at_least_one(random_.lognormal(options_.median_user_tokens, 0.8)));
    turn.num_prompt = static_cast<std::uint32_t>(turn.tokens.size());
    append(turn.tokens, draw_output(random_, options_.mean_output_tokens));
    talk.said = turn.tokens;
    if (random_.uniform() * options_.mean_turns < 1 || talk.said.size() > longest_prompt)
      talk = begin();
    return turn;
  }

 private:
  struct conversation {
    std::uint64_t id = 0;
    std::vector<token_id> said;
  };
  void append(std::vector<token_id>& tokens, std::uint32_t num) {
    auto more = random_.tokens(num);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  // Some system prompts are far more popular than others (Zipf).
  conversation begin() {
    auto n = options_.num_system_prompts;
    auto rank = static_cast<std::uint32_t>(std::exp(random_.uniform() * std::log(n + 1.0))) - 1;
    return {next_id_++, system_prompts_[std::min(rank, n - 1)]};
  }

  chat_options options_;
  dice random_;
  std::vector<std::vector<token_id>> system_prompts_;
  std::vector<conversation> going_on_;
  std::uint64_t next_id_ = 1;
  double now_ = 0;
};

}  // namespace

workload prompts(const prompt_options& options, std::uint64_t seed) {
  struct state {
    dice random;
    double now = 0;
    std::uint64_t num = 0;
  };
  return [=, s = std::make_shared<state>(state{dice{seed}})]() -> std::optional<job> {
    s->now += s->random.exponential(1 / options.per_second(s->now));
    if (s->now >= options.end) return std::nullopt;
    auto num_prompt = at_least_one(
        std::min(longest_prompt, s->random.lognormal(options.median_tokens, options.sigma)));
    auto num_output = draw_output(s->random, options.mean_output_tokens);
    return job{.arrival = s->now,
               .conversation = ++s->num,
               .tokens = s->random.tokens(num_prompt + num_output),
               .num_prompt = num_prompt};
  };
}

workload chat(const chat_options& options, std::uint64_t seed) {
  return [room = std::make_shared<chat_room>(options, seed)] { return room->next(); };
}

}  // namespace troupe::simulation
