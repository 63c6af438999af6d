// How full a replica is, as one number to scale by: counts of requests say little about the work
// that they bring.
#pragma once
#include <algorithm>

namespace troupe {

struct load_signs {
  double kv_pages_share = 0;  // held by requests, of all
  double seqs_share = 0;      // running, of --max-num-seqs
  double queued_seconds = 0;  // to compute the prompt tokens that are not computed yet
};

// Above this share of held pages, preemption begins.
inline constexpr double full_kv_share = 0.85;
// A newcomer who meets this much work waits longer for its first token than people like.
inline constexpr double full_queue_seconds = 1.0;

// 0: idle, 1: nothing more fits without waiting; not bounded above.
constexpr double measure_load(const load_signs& signs) {
  return std::max({signs.kv_pages_share / full_kv_share, signs.seqs_share,
                   signs.queued_seconds / full_queue_seconds});
}

}  // namespace troupe
