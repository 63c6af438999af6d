// Everything that the meter was told since the start, as plain counts. Their text is
// that of actors/tally_text.hpp.
#pragma once
#include "actors/observations.hpp"
#include "core/config.hpp"
#include "core/decode_knee.hpp"
#include "core/load.hpp"
#include "core/memory_plan.hpp"
#include "core/metrics.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

namespace troupe {

inline constexpr std::size_t num_finish_reasons = 5;
inline constexpr std::size_t num_refusal_reasons = 12;

struct tally {
  tally(std::string name, const engine_limits& bounds, const memory_plan& plan);

  void count(const queue_observed& news) { queue = news; }
  void count(const step_observed& news);
  void count(const pages_observed& news) { pages = news; }
  void count(const request_observed& news);
  void count(const refusal_observed& news) { ++num_refused[static_cast<std::size_t>(news.why)]; }
  void count(const http_observed& news);
  void count(const front_observed& news);
  void count(const replica_observed& news) { replica = news; }
  void count(const grammar_observed& news);
  void count(const fleet_observed& news) { fleet = news; }
  void count(const overload_observed& news) { overload = news; }

  void count(const log_observed& news) { logs = news; }
  void count(const load_test_observed& news) { load_test = news; }

  // Of the replica, or of all of them: see core/load.hpp.
  double load() const;

  std::string model_name;
  engine_limits limits;
  memory_plan memory;
  std::string device = "cpu";  // in words

  // The last word on each gauge.
  queue_observed queue;
  step_observed step;
  pages_observed pages;
  replica_observed replica;
  grammar_observed grammars;
  std::optional<fleet_observed> fleet;  // of a gateway
  overload_observed overload;
  log_observed logs;
  load_test_observed load_test;
  front_observed front;  // summed
  token_pace pace;
  decode_knee knee;

  std::uint64_t num_preemptions = 0, num_steps = 0;
  std::uint64_t num_drafts = 0, num_draft_tokens = 0, num_accepted_tokens = 0;
  std::uint64_t num_late_masks = 0, num_forced_tokens = 0, num_failed_constraints = 0;
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, generation_tokens = 0;
  std::array<std::uint64_t, num_finish_reasons> num_finished{};
  std::array<std::uint64_t, num_refusal_reasons> num_refused{};
  // By route, method and status.
  std::map<std::tuple<std::string, std::string, int>, std::uint64_t> http;
  std::map<std::string, histogram> http_time;  // by route

  histogram first_token{first_token_buckets()};
  histogram token_gap{inter_token_buckets()};
  histogram time_per_token{inter_token_buckets()};
  histogram e2e{request_buckets()};
  histogram queue_time{request_buckets()};
  histogram prefill_time{request_buckets()};
  histogram decode_time{request_buckets()};
  histogram inference_time{request_buckets()};
  histogram step_time{inter_token_buckets()};
  histogram step_tokens{step_token_buckets()};
  histogram num_choices{choice_buckets()};
  histogram mask_time{mask_buckets()};
  histogram compile_time{compile_buckets()};
  histogram request_prompt, request_generation, request_max_tokens, request_computed;
};

}  // namespace troupe
