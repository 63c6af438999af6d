// A comparison as one HTML file: what changed, and both runs drawn over each other.
#pragma once
#include <string>

#include "load/comparison.hpp"

namespace troupe::load {

// The names of the runs are texts, those of their files for instance.
std::string comparison_page(const run_record& a, const run_record& b, const comparison& all,
                            const std::string& name_a, const std::string& name_b);

}  // namespace troupe::load
