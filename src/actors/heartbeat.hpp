// How a part of the house tells that it works, and what its silence means. Every actor that others
// depend on answers `beat`; the replica asks its parts again and again.
#pragma once
#include "actors/cast.hpp"
#include "actors/wire.hpp"
#include "core/request.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace troupe {

struct beat {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, beat&) {
  return f(caf::meta::type_name("beat"));
}
struct heartbeat {
  std::size_t num_messages = 0;  // in the mailbox, behind this question
  // In its hands: the queue, the batcher; the grammar_store: sources that wait.
  std::uint32_t num_requests = 0;
  std::uint64_t num_tokens = 0;  // the queue: of their prompts
  // The queue and the grammar_store: since when the oldest of them waits. The batcher: when it last
  // took requests or a step ended. Zero for the others.
  steady_time since{};
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, heartbeat& x) {
  auto num_messages = std::uint64_t{x.num_messages};
  auto since = moment_of{x.since};
  auto load = [&]() -> caf::error {
    if constexpr (!Inspector::reads_state) x.num_messages = num_messages;
    return caf::none;
  };
  return f(caf::meta::type_name("heartbeat"), num_messages, x.num_requests, x.num_tokens, since,
           caf::meta::load_callback(load));
}

// A role: a part that can be asked how it is.
using house_part = caf::typed_actor<
    // At once.
    caf::replies_to<beat>::with<heartbeat>>;

struct part_report {
  std::string actor;  // "queue", "batcher", "page_manager", "grammarian", "executor"
  std::optional<std::uint32_t> rank;  // executors only
  bool has_answered = false;
  steady_time last_beat{};  // or its start, while it has not answered
  heartbeat last;
  std::string trouble;  // why it is not as it should be; empty: it is
};

// An actor that computes nothing, or masks only, answers within this.
inline constexpr std::chrono::milliseconds actor_patience{5'000};

// Writes the trouble of every part. `stall_timeout` is how long an executor may be silent, and how
// long requests may wait without any step.
void find_troubles(std::span<part_report> parts, steady_time now,
                   std::chrono::milliseconds stall_timeout);

// All troubles in one line; empty if there is none.
std::string describe_troubles(std::span<const part_report> parts);

}  // namespace troupe
