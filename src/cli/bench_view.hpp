// A run on a terminal: a few lines that are drawn again every second.
#pragma once
#include <deque>
#include <ostream>
#include <string>
#include <vector>

#include "load/run_record.hpp"

namespace troupe {

// One block character for each value, the greatest is the highest; empty for no values.
std::string sparkline(const std::deque<double>& values);

class bench_view {
 public:
  // `width` of the terminal, in columns.
  bench_view(std::ostream& out, std::string title, std::size_t width);
  // Draws over what it drew before.
  void show(const load::second_point& point, const std::string& stage);
  // Leaves the terminal as it was.
  void close();

 private:
  std::vector<std::string> lines(const load::second_point& point, const std::string& stage) const;

  std::ostream& out_;
  std::string title_;
  std::size_t width_;
  std::size_t num_drawn_ = 0;
  std::uint64_t num_succeeded_ = 0, num_rejected_ = 0, num_failed_ = 0;
  std::deque<double> rates_, first_tokens_, times_, in_flight_, replicas_;
};

}  // namespace troupe
