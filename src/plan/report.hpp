// A plan for people and for programs: the same numbers, rounded alike.
#pragma once
#include <string>

#include "plan/scenario.hpp"
#include "text/json.hpp"

namespace troupe::planning {

std::string to_text(const plan_report& report);
json_value to_json(const plan_report& report);

double planned_mib(const memory_plan& plan);
// A number with so many digits behind the point, and with at least three of them significant.
std::string fixed(double value, int digits);

}  // namespace troupe::planning
