// How full a replica is, as one number to scale by: counts of requests say little about the work
// that they bring.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>

namespace troupe {

struct load_signs {
  double kv_pages_share = 0;  // held by requests, of all
  double seqs_share = 0;      // running, of those that still make it faster: see decode_knee
  double queued_seconds = 0;  // to compute the prompt tokens that are not computed yet
};

// Above this share of held pages, preemption begins.
inline constexpr double full_kv_share = 0.85;
// A newcomer who meets this much work waits longer for its first token than people like.
inline constexpr double full_queue_seconds = 1.0;

// What a prompt token costs, as steps with prompts in them say.
class token_pace {
 public:
  void note(std::uint32_t num_prefill_tokens, std::uint32_t num_rows, double seconds) {
    if (num_prefill_tokens == 0 || num_rows == 0 || seconds <= 0) return;
    auto weight = seconds_per_token_ == 0 ? 1 : weight_of_news;
    seconds_per_token_ += weight * (seconds / num_rows - seconds_per_token_);
  }
  double seconds_per_token() const { return seconds_per_token_; }

 private:
  // A step in ten moves the average by two thirds: it follows the load, not the noise.
  static constexpr double weight_of_news = 0.1;
  double seconds_per_token_ = 0;
};

// 0: idle, 1: nothing more fits without waiting; not bounded above.
constexpr double measure_load(const load_signs& signs) {
  return std::max({signs.kv_pages_share / full_kv_share, signs.seqs_share,
                   signs.queued_seconds / full_queue_seconds});
}

// One replica of several, and what waits in front of all of them.
struct replica_signs {
  double kv_pages_share = 0;
  std::uint32_t num_requests = 0;    // that it was given
  double num_seats = 1;              // see decode_knee
  std::uint64_t pending_tokens = 0;  // of prompts that it was given, not computed yet
  double seconds_per_token = 0;      // 0: it has computed none
};
struct held_back {
  std::uint32_t num_requests = 0;
  std::uint64_t num_tokens = 0;  // of their prompts
};
double measure_replica_load(const replica_signs& one);
// What waits in front is work for all of them together. 0 without replicas.
double measure_fleet_load(std::span<const replica_signs> all, const held_back& waiting);

}  // namespace troupe
