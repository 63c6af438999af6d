#include "core/decode_knee.hpp"

#include <algorithm>
#include <bit>

namespace troupe {
namespace {

constexpr double weight_of_news = 0.05;  // the noise of single steps is large

void move(double& mean, double news) { mean += (mean == 0 ? 1 : weight_of_news) * (news - mean); }

}  // namespace

void decode_knee::note(std::uint32_t num_rows, double seconds) {
  if (num_rows == 0 || seconds <= 0) return;
  auto i = std::min<std::size_t>(std::bit_width(num_rows) - 1, num_classes - 1);
  move(classes_[i].num_rows, num_rows);
  move(classes_[i].seconds, seconds);
}

// Least squares over the classes that were seen.
decode_knee::line decode_knee::fit() const {
  double num = 0, rows = 0, seconds = 0, squares = 0, products = 0;
  for (const auto& c : classes_) {
    if (c.num_rows == 0) continue;
    ++num;
    rows += c.num_rows;
    seconds += c.seconds;
    squares += c.num_rows * c.num_rows;
    products += c.num_rows * c.seconds;
  }
  if (num < 2) return {};
  auto each = (num * products - rows * seconds) / (num * squares - rows * rows);
  return {.fixed = (seconds - each * rows) / num, .each = each};
}

double decode_knee::num_seqs(std::uint32_t max_num_seqs) const {
  auto most = static_cast<double>(max_num_seqs);
  auto cost = fit();
  if (cost.each <= 0) return most;
  if (cost.fixed <= 0) return 1;
  // n / (fixed + each n) = share * most / (fixed + each * most)
  auto knee = share * most * cost.fixed / (cost.fixed + (1 - share) * cost.each * most);
  return std::clamp(knee, 1.0, most);
}

}  // namespace troupe
