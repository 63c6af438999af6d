#include "cli/bench_view.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "load/console_table.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t num_columns = 40;  // of a sparkline: seconds
constexpr std::array<std::string_view, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

void remember(std::deque<double>& values, double value) {
  values.push_back(std::max(value, 0.0));
  if (values.size() > num_columns) values.pop_front();
}

std::string row(const char* name, const std::string& value, const std::deque<double>& values) {
  std::array<char, 64> head{};
  std::snprintf(head.data(), head.size(), "  %-12s%-26s", name, value.c_str());
  return head.data() + sparkline(values);
}

std::string pair_of(double p50, double p99) {
  return p50 < 0 ? "-" : "p50 " + load::in_words(p50) + "  p99 " + load::in_words(p99);
}

std::string count_of(double number) {
  return number < 0 ? "-" : std::to_string(static_cast<std::uint64_t>(number));
}

// Cuts a line so that it takes one row: what moves up again counts rows.
std::string clipped(const std::string& line, std::size_t width) {
  std::size_t columns = 0, at = 0;
  while (at < line.size() && columns < width) {
    ++at;
    while (at < line.size() && is_utf8_continuation(line[at])) ++at;
    ++columns;
  }
  return line.substr(0, at);
}

}  // namespace

std::string sparkline(const std::deque<double>& values) {
  double most = 0;
  for (auto value : values) most = std::max(most, value);
  std::string out;
  for (auto value : values) {
    auto level = most > 0 ? value / most * (blocks.size() - 1) + 0.5 : 0;
    out += blocks[static_cast<std::size_t>(level)];
  }
  return out;
}

bench_view::bench_view(std::ostream& out, std::string title, std::size_t width)
    : out_(out), title_(std::move(title)), width_(width) {}

void bench_view::show(const load::second_point& point, const std::string& stage) {
  num_succeeded_ += point.succeeded;
  num_rejected_ += point.rejected;
  num_failed_ += point.failed;
  remember(rates_, static_cast<double>(point.succeeded));
  remember(first_tokens_, point.ttft.p99);
  remember(times_, point.e2e.p99);
  remember(in_flight_, static_cast<double>(point.in_flight));
  remember(replicas_, point.server.replicas);
  std::string text;
  if (num_drawn_ > 0) text = "\x1b[" + std::to_string(num_drawn_) + "A\x1b[J";
  auto all = lines(point, stage);
  for (auto& line : all) text += clipped(line, width_) + "\n";
  num_drawn_ = all.size();
  out_ << text << std::flush;
}

std::vector<std::string> bench_view::lines(const load::second_point& p,
                                           const std::string& stage) const {
  auto rate = std::to_string(p.succeeded) + "/s of " + std::to_string(p.due) + "/s due";
  auto failed = std::to_string(num_failed_) + " failed, " + std::to_string(num_rejected_) +
                " rejected, " + std::to_string(num_succeeded_) + " succeeded";
  auto waiting =
      count_of(p.server.running) + " running, " + count_of(p.server.waiting) + " waiting";
  return {title_ + "  " + std::to_string(p.second + 1) + " s  " + stage +
              (p.users > 0 ? "  " + std::to_string(p.users) + " users here" : ""),
          row("answers", rate, rates_),
          row("TTFT", pair_of(p.ttft.p50, p.ttft.p99), first_tokens_),
          row("end to end", pair_of(p.e2e.p50, p.e2e.p99), times_),
          row("in flight", std::to_string(p.in_flight), in_flight_),
          row("replicas", count_of(p.server.replicas), replicas_),
          "  tokens      " + std::to_string(p.output_tokens) + "/s out; server: " + waiting,
          "  so far      " + failed};
}

void bench_view::close() {
  if (num_drawn_ > 0) out_ << "\x1b[" << num_drawn_ << "A\x1b[J" << std::flush;
  num_drawn_ = 0;
}

}  // namespace troupe
