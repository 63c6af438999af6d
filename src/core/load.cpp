#include "core/load.hpp"

namespace troupe {
namespace {

double pending_seconds(const replica_signs& one) {
  return static_cast<double>(one.pending_tokens) * one.seconds_per_token;
}

// Of one token, once the replicas that have computed some share it.
double shared_seconds_per_token(std::span<const replica_signs> all) {
  double tokens_per_second = 0;
  for (const auto& one : all)
    if (one.seconds_per_token > 0) tokens_per_second += 1 / one.seconds_per_token;
  return tokens_per_second > 0 ? 1 / tokens_per_second : 0;
}

}  // namespace

double measure_replica_load(const replica_signs& one) {
  return measure_load({.kv_pages_share = one.kv_pages_share,
                       .seqs_share = one.num_requests / one.num_seats,
                       .queued_seconds = pending_seconds(one)});
}

double measure_fleet_load(std::span<const replica_signs> all, const held_back& waiting) {
  if (all.empty()) return 0;
  double kv_pages_share = 0, num_requests = waiting.num_requests, num_seats = 0, seconds = 0;
  for (const auto& one : all) {
    kv_pages_share += one.kv_pages_share;
    num_requests += one.num_requests;
    num_seats += one.num_seats;
    seconds += pending_seconds(one);
  }
  const auto num = static_cast<double>(all.size());
  const auto waiting_seconds =
      static_cast<double>(waiting.num_tokens) * shared_seconds_per_token(all);
  return measure_load({.kv_pages_share = kv_pages_share / num,
                       .seqs_share = num_requests / num_seats,
                       .queued_seconds = seconds / num + waiting_seconds});
}

}  // namespace troupe
