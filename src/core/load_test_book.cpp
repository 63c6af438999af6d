#include "core/load_test_book.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

// How each second begins (load/report_json.hpp); the report, which comes last, begins otherwise.
constexpr std::string_view line_begin = "{\"second\":";

// Of a program whose name begins its lines.
std::string_view without_name(std::string_view line) {
  constexpr std::string_view name = "troupe: ";
  if (line.starts_with(name)) line.remove_prefix(name.size());
  return line;
}

bool is_verdict(const std::optional<int>& exit_status) {
  return exit_status && (*exit_status == 0 || *exit_status == 2 || *exit_status == 4);
}

}  // namespace

std::string_view to_string(load_test_state state) {
  switch (state) {
    case load_test_state::running: return "running";
    case load_test_state::stopping: return "stopping";
    case load_test_state::finished: return "finished";
    case load_test_state::failed: return "failed";
  }
  return "";
}

std::string_view verdict_of(const load_test_record& test) {
  switch (test.exit_status.value_or(1)) {
    case 0: return "passed";
    case 2: return "slo missed";
    case 4: return "generator overloaded";
    default: return "";
  }
}

const load_test_record* load_test_book::find(std::uint64_t number) const {
  auto found = std::ranges::find(tests_, number, &load_test_record::number);
  return found == tests_.end() ? nullptr : &*found;
}

const load_test_record* load_test_book::current() const {
  return tests_.empty() || tests_.front().is_over() ? nullptr : &tests_.front();
}

std::vector<std::string> load_test_book::lines(std::uint64_t number, std::uint64_t first) const {
  auto test = std::ranges::find(tests_, number, &load_test_record::number);
  if (test == tests_.end()) return {};
  auto& kept = output_[static_cast<std::size_t>(test - tests_.begin())];
  auto num_gone = test->num_lines - kept.size();
  auto from = std::min<std::uint64_t>(first > num_gone ? first - num_gone : 0, kept.size());
  return {kept.begin() + static_cast<std::ptrdiff_t>(from), kept.end()};
}

std::vector<std::uint64_t> load_test_book::start(std::vector<std::string> arguments,
                                                 std::int64_t unix_time, steady_time now) {
  tests_.push_front(
      {.number = ++num_tests_, .arguments = std::move(arguments), .started_at = unix_time});
  output_.emplace_front();
  begun_.clear();
  begun_error_.clear();
  last_error_.clear();
  is_too_long_ = was_interrupted_ = was_killed_ = false;
  begin_ = now;
  std::vector<std::uint64_t> forgotten;
  while (tests_.size() > std::max<std::size_t>(1, bounds_.max_kept)) {
    forgotten.push_back(tests_.back().number);
    tests_.pop_back();
    output_.pop_back();
  }
  return forgotten;
}

void load_test_book::read_output(std::string_view bytes) {
  while (!bytes.empty()) {
    auto end = bytes.find('\n');
    auto part = bytes.substr(0, end);
    bytes.remove_prefix(std::min(bytes.size(), part.size() + 1));
    is_too_long_ = is_too_long_ || begun_.size() + part.size() > bounds_.max_line_bytes;
    if (!is_too_long_) begun_ += part;
    if (end == std::string_view::npos) return;
    if (!std::exchange(is_too_long_, false)) take_line(begun_);
    begun_.clear();
  }
}

void load_test_book::take_line(std::string_view line) {
  if (current() == nullptr || !line.starts_with(line_begin) || !line.ends_with('}')) return;
  auto& kept = output_.front();
  kept.emplace_back(line);
  if (kept.size() > bounds_.max_lines) kept.pop_front();
  ++tests_.front().num_lines;
}

void load_test_book::read_errors(std::string_view bytes) {
  for (char c : bytes) {
    if (c == '\n') {
      if (!begun_error_.empty()) last_error_ = std::exchange(begun_error_, {});
    } else if (begun_error_.size() < bounds_.max_line_bytes) {
      begun_error_ += c;
    }
  }
}

bool load_test_book::stop(std::uint64_t number) {
  if (find(number) == nullptr) return false;
  auto& test = tests_.front();
  if (test.number != number || test.is_over()) return true;
  test.state = load_test_state::stopping;
  test.was_stopped = true;
  return true;
}

load_test_order load_test_book::next_order(steady_time now) {
  if (current() == nullptr) return load_test_order::nothing;
  if (now - begin_ >= bounds_.max_time) stop(tests_.front().number);
  if (tests_.front().state != load_test_state::stopping) return load_test_order::nothing;
  if (!std::exchange(was_interrupted_, true)) {
    deadline_ = now + bounds_.patience;
    return load_test_order::interrupt;
  }
  if (now >= deadline_ && !std::exchange(was_killed_, true)) return load_test_order::kill;
  return load_test_order::nothing;
}

void load_test_book::end(const load_test_end& how, std::int64_t unix_time) {
  if (current() == nullptr) return;
  auto& test = tests_.front();
  test.exit_status = how.exit_status;
  test.files = how.files;
  test.ended_at = std::max<std::int64_t>(1, unix_time);
  test.state = is_verdict(how.exit_status) ? load_test_state::finished : load_test_state::failed;
  if (test.state == load_test_state::finished) return;
  if (!begun_error_.empty()) last_error_ = std::exchange(begun_error_, {});
  if (test.was_stopped && !how.exit_status)
    test.why = was_killed_ ? "did not stop in time and was killed"
                           : "was stopped before its first request";
  else
    test.why = last_error_.empty() ? how.words : std::string(without_name(last_error_));
}

}  // namespace troupe
