#include "actors/heartbeat.hpp"

#include <algorithm>
#include <cstdio>

namespace troupe {
namespace {

std::string in_seconds(steady_time::duration time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(time).count());
  return text;
}

std::string silence_of(const part_report& part, steady_time now,
                       std::chrono::milliseconds stall_timeout) {
  if (part.rank && !part.has_answered) return "starts";
  auto age = now - part.last_beat;
  if (age <= (part.rank ? stall_timeout : actor_patience)) return {};
  return "has not answered for " + in_seconds(age);
}

}  // namespace

void find_troubles(std::span<part_report> parts, steady_time now,
                   std::chrono::milliseconds stall_timeout) {
  for (auto& part : parts) part.trouble = silence_of(part, now, stall_timeout);
  auto queue = std::ranges::find(parts, "queue", &part_report::actor);
  auto batcher = std::ranges::find(parts, "batcher", &part_report::actor);
  if (batcher == parts.end() || !batcher->has_answered || !batcher->trouble.empty()) return;
  auto rest = now - batcher->last.since;
  if (rest <= stall_timeout) return;
  auto& running = batcher->last;
  if (running.num_requests > 0)
    batcher->trouble = "has " + std::to_string(running.num_requests) +
                       " requests, and no step has ended for " + in_seconds(rest);
  else if (queue != parts.end() && queue->last.num_requests > 0 &&
           now - queue->last.since > stall_timeout)
    batcher->trouble = "leaves " + std::to_string(queue->last.num_requests) +
                       " requests waiting, the oldest for " + in_seconds(now - queue->last.since);
}

std::string describe_troubles(std::span<const part_report> parts) {
  std::string line;
  for (auto& part : parts) {
    if (part.trouble.empty()) continue;
    if (!line.empty()) line += "; ";
    line += part.actor;
    if (part.rank) line.append(" ").append(std::to_string(*part.rank));
    line.append(" ").append(part.trouble);
  }
  return line;
}

}  // namespace troupe
