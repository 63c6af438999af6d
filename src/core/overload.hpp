// What a process that runs short of memory stops doing, step by step, before the system ends it.
#pragma once
#include "core/outcome.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe {

// Each level does what the ones before it do, too.
enum class overload_level : std::uint8_t {
  none,
  closing,   // every answer ends its connection
  refusing,  // new work hears 503; health, metrics and pages are answered
  pausing    // nobody is accepted but a few at a time, for health and metrics
};
inline constexpr std::size_t num_overload_levels = 4;
std::string_view to_string(overload_level level);

// Shares of the limit, in per cent, at which a level begins.
struct overload_marks {
  std::uint32_t closing = 85;
  std::uint32_t refusing = 92;
  std::uint32_t pausing = 95;
};
// A level ends this many per cent below its mark, so that it does not come and go.
inline constexpr std::uint32_t overload_slack = 2;

// Refuses marks that are not in order within 1 to 100; `field` is the flag's name.
refusal check_marks(const overload_marks& marks);

// Bytes that a process holds and that nobody can take back from it.
struct memory_held {
  // What it knows of. The first three are as planned, whether touched already or not.
  std::uint64_t weights = 0, activations = 0, kv_pages = 0;
  std::uint64_t bodies = 0;     // of requests under way
  std::uint64_t streams = 0;    // of answers, unread by their clients
  std::uint64_t responses = 0;  // stored
  std::uint64_t grammars = 0;   // cached
  // What the system says, 0: it does not say. Pages that were not touched yet are not in it.
  std::uint64_t measured = 0;

  std::uint64_t known() const {
    return weights + activations + kv_pages + bodies + streams + responses + grammars;
  }
  // Held by what has no account: stacks, connections, queues, the allocator's own.
  std::uint64_t other() const { return measured > known() ? measured - known() : 0; }
  std::uint64_t all() const { return known() + other(); }
};

// Above 1: more than the limit.
double share_of_limit(const memory_held& held, std::uint64_t limit_bytes);

// `now` is the level so far; `share` what share_of_limit says.
overload_level judge_overload(overload_level now, double share, const overload_marks& marks);

}  // namespace troupe
