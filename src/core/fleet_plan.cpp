#include "core/fleet_plan.hpp"

#include <algorithm>

namespace troupe {
namespace {

using one = fleet_view::one;

bool is_own_in(const one& r, replica_state state) { return r.is_own && r.state == state; }

std::uint32_t count_own(const fleet_view& now, replica_state state) {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(now.replicas, [&](auto& r) { return is_own_in(r, state); }));
}

// One to renew, else the one with the least to finish, the younger among equals.
const one& least_missed(const fleet_view& now) {
  const one* chosen = nullptr;
  for (auto& r : now.replicas) {
    if (!is_own_in(r, replica_state::ready)) continue;
    bool is_better = !chosen || r.is_to_renew > chosen->is_to_renew ||
                     (r.is_to_renew == chosen->is_to_renew && !r.is_to_renew &&
                      r.num_requests <= chosen->num_requests);
    if (is_better) chosen = &r;
  }
  return *chosen;
}

}  // namespace

fleet_plan plan_fleet(const fleet_view& now) {
  fleet_plan plan;
  auto is_any_to_renew = std::ranges::any_of(
      now.replicas, [](auto& r) { return r.is_to_renew && is_own_in(r, replica_state::ready); });
  auto num_serving = count_own(now, replica_state::ready);
  auto num_standing_by = count_own(now, replica_state::standby);
  bool is_renewing = num_serving > now.num_wanted || count_own(now, replica_state::draining) == 0;
  auto num_serving_wanted = now.num_wanted + (is_any_to_renew && is_renewing ? 1 : 0);
  for (auto& r : now.replicas) {
    if (r.state != replica_state::standby) continue;
    if (r.is_own && num_serving >= num_serving_wanted) continue;
    plan.open.push_back(r.name);
    if (!r.is_own) continue;
    ++num_serving;
    --num_standing_by;
  }
  auto num_there = num_serving + num_standing_by + count_own(now, replica_state::starting);
  auto num_there_wanted = num_serving_wanted + now.num_standby;
  if (plan.open.empty() && num_serving > now.num_wanted) {
    plan.close.push_back(least_missed(now).name);
    return plan;  // the rest when it has gone
  }
  for (auto at = now.replicas.rbegin(); at != now.replicas.rend(); ++at) {
    auto& r = *at;
    if (num_there <= num_there_wanted || num_standing_by == 0) break;
    bool is_opened = std::ranges::find(plan.open, r.name) != plan.open.end();
    if (!is_own_in(r, replica_state::standby) || is_opened) continue;
    plan.close.push_back(r.name);
    --num_there;
    --num_standing_by;
  }
  if (num_there < num_there_wanted) plan.num_to_start = num_there_wanted - num_there;
  return plan;
}

}  // namespace troupe
