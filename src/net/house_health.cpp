#include "net/house_health.hpp"

#include <chrono>
#include <utility>

#include "text/json.hpp"

namespace troupe {
namespace {

double seconds_between(steady_time from, steady_time to) {
  return std::chrono::duration<double>(to - from).count();
}

void add_status(json_object& out, std::string_view trouble) {
  out.emplace_back("status", std::string{trouble.empty() ? "ok" : "failing"});
  if (!trouble.empty()) out.emplace_back("reason", std::string{trouble});
}

json_value to_json(const part_report& part, steady_time now) {
  json_object out;
  if (part.rank) out.emplace_back("rank", std::int64_t{*part.rank});
  add_status(out, part.trouble);
  out.emplace_back("heartbeat_age_s", seconds_between(part.last_beat, now));
  out.emplace_back("num_messages", static_cast<std::int64_t>(part.last.num_messages));
  bool holds_requests = part.actor == "queue" || part.actor == "batcher";
  if (holds_requests) out.emplace_back("num_requests", std::int64_t{part.last.num_requests});
  if (part.actor == "queue" && part.last.num_requests > 0)
    out.emplace_back("oldest_s", seconds_between(part.last.since, now));
  if (part.actor == "batcher")
    out.emplace_back("last_step_age_s", seconds_between(part.last.since, now));
  return out;
}

// Why the grammar_store is not as it should be: it never computes itself.
std::string trouble_of_store(const house_state& house) {
  if (!house.store) return "does not answer: " + house.store.error().message;
  auto num_waiting = house.store->num_requests;
  if (num_waiting == 0 || house.now - house.store->since <= actor_patience) return {};
  return "lets " + std::to_string(num_waiting) + " grammars wait, none is compiled";
}

json_object store_of(const house_state& house) {
  json_object out;
  add_status(out, trouble_of_store(house));
  if (!house.store) return out;
  auto& last = *house.store;
  out.emplace_back("num_messages", static_cast<std::int64_t>(last.num_messages));
  out.emplace_back("num_requests", std::int64_t{last.num_requests});
  if (last.num_requests > 0) out.emplace_back("oldest_s", seconds_between(last.since, house.now));
  return out;
}

json_object parts_of(const house_state& house) {
  json_object out;
  json_array executors;
  if (house.copy) {
    for (auto& part : house.copy->parts)
      if (part.rank)
        executors.push_back(to_json(part, house.now));
      else
        out.emplace_back(part.actor, to_json(part, house.now));
    out.emplace_back("executors", std::move(executors));
  }
  json_object copy, observer;
  add_status(copy, house.copy ? house.copy->reason : house.copy.error().message);
  if (house.copy) {
    copy.emplace_back("num_restarts", std::int64_t{house.copy->num_restarts});
    copy.emplace_back("num_ranks", std::int64_t{house.copy->num_ranks});
    copy.emplace_back("num_ranks_present", std::int64_t{house.copy->num_ranks_present});
  }
  out.emplace_back("replica", std::move(copy));
  add_status(observer, house.observer ? "" : house.observer.error().message);
  if (house.observer)
    observer.emplace_back("num_messages", static_cast<std::int64_t>(house.observer->num_messages));
  out.emplace_back("meter", std::move(observer));
  out.emplace_back("grammar_store", store_of(house));
  return out;
}

health_report make_report(const house_state& house, std::string_view good, std::string_view bad,
                          const std::string& reason) {
  json_object out{{"status", std::string{reason.empty() ? good : bad}},
                  {"device", std::string{house.device}}};
  if (!reason.empty()) out.emplace_back("reason", reason);
  out.emplace_back("parts", parts_of(house));
  health_report report{.is_well = reason.empty()};
  append_json(report.body, out);
  report.body += '\n';
  return report;
}

std::string silent_actor(const house_state& house) {
  if (!house.copy) return "the replica does not answer: " + house.copy.error().message;
  if (!house.observer) return "the meter does not answer: " + house.observer.error().message;
  if (!house.store) return "the grammar_store " + trouble_of_store(house);
  return {};
}

}  // namespace

health_report judge_life(const house_state& house) {
  auto reason = silent_actor(house);
  if (reason.empty() && house.copy->has_given_up) reason = house.copy->reason;
  if (reason.empty())
    for (auto& part : house.copy->parts)
      if (!part.rank && house.now - part.last_beat > actor_patience)
        reason = part.actor + " " + part.trouble;
  return make_report(house, "alive", "dead", reason);
}

health_report judge_readiness(const house_state& house) {
  std::string reason = house.is_draining ? "the server is shutting down" : silent_actor(house);
  if (reason.empty() && !house.copy->ready)
    reason = house.copy->reason.empty() ? "the replica is not ready" : house.copy->reason;
  if (reason.empty() && !trouble_of_store(house).empty())
    reason = "the grammar_store " + trouble_of_store(house);
  return make_report(house, "ready", "not_ready", reason);
}

}  // namespace troupe
