#include "plan/verdict.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace troupe::planning {
namespace {

constexpr double preempted_share = 0.1;
constexpr double later_factor = 1.5;
constexpr double later_spare_seconds = 0.05;
// Fewer first tokens have no course.
constexpr std::size_t least_for_course = 9;

template <class Number>
double mean(std::span<const Number> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

bool comes_later_and_later(std::span<const double> first_tokens) {
  if (first_tokens.size() < least_for_course) return false;
  const auto third = first_tokens.size() / 3;
  const double early = mean(first_tokens.first(third));
  return mean(first_tokens.last(third)) > later_factor * early + later_spare_seconds;
}

std::string count_of(std::uint64_t number, const char* what) {
  return std::to_string(number) + " " + what;
}

std::string find_trouble(const house_course& course) {
  const auto& load = course.load;
  if (load.num_refused > 0) return count_of(load.num_refused, "refused: the queue is full");
  if (load.num_timed_out > 0) return count_of(load.num_timed_out, "timed out");
  if (load.num_failed > 0) return count_of(load.num_failed, "failed");
  if (load.num_unanswered > 0) return count_of(load.num_unanswered, "still wait at the end");
  if (load.num_finished == 0) return "nothing was answered";
  if (static_cast<double>(course.num_preemptions) > preempted_share * load.num_finished)
    return count_of(course.num_preemptions, "preempted: too few pages");
  if (comes_later_and_later(load.first_token)) return "first tokens come later and later";
  return {};
}

}  // namespace

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

plan_row judge(const house_course& course, const load_case& what, const verdict_rules& rules) {
  const auto& load = course.load;
  plan_row row{.what = what,
               .ttft_mean = mean<double>(load.first_token),
               .ttft_p50 = percentile(load.first_token, 0.5),
               .ttft_p99 = percentile(load.first_token, 0.99),
               .itl_mean = mean<float>(load.token_gaps),
               .itl_p99 = percentile({load.token_gaps.begin(), load.token_gaps.end()}, 0.99),
               .kv_share = course.kv_share,
               .num_preemptions = course.num_preemptions,
               .busy_share = course.busy_share,
               .why_not = find_trouble(course)};
  row.is_stable = row.why_not.empty();
  row.keeps_slo = row.is_stable && row.ttft_p99 <= rules.ttft_slo_seconds;
  if (!(load.seconds > 0)) return row;
  row.requests_per_second = load.num_finished / load.seconds;
  row.output_per_second = static_cast<double>(load.num_output_tokens) / load.seconds;
  row.total_per_second =
      static_cast<double>(load.num_output_tokens + load.num_input_tokens) / load.seconds;
  if (!rules.usd_per_hour || load.num_output_tokens == 0) return row;
  const double usd_per_million_seconds = *rules.usd_per_hour / 3600 * 1e6;
  row.usd_per_million_output = usd_per_million_seconds / row.output_per_second;
  row.usd_per_million_total = usd_per_million_seconds / row.total_per_second;
  return row;
}

std::size_t count_kept(const candidate& one) {
  const auto broken = std::ranges::find(one.rows, false, &plan_row::keeps_slo);
  return static_cast<std::size_t>(broken - one.rows.begin());
}

std::optional<std::size_t> choose_smallest(std::span<const candidate> all) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& one = all[i];
    if (one.rows.empty() || count_kept(one) < one.rows.size()) continue;
    const bool is_better =
        !best || one.num_devices < all[*best].num_devices ||
        (one.num_devices == all[*best].num_devices &&
         one.rows.back().output_per_second > all[*best].rows.back().output_per_second);
    if (is_better) best = i;
  }
  return best;
}

}  // namespace troupe::planning
