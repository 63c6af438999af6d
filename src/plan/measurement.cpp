#include "plan/measurement.hpp"

#include <utility>

namespace troupe::planning {
namespace {

constexpr double warm_share = 0.2;
constexpr std::uint32_t least_rounds = 2;
// Who is refused asks again a second later, and not for ever.
constexpr std::uint32_t most_refusals = 2000;
constexpr double unanswered = -1;

}  // namespace

observer::observer(const load_shape& load, const load_case& what)
    : what_(what), seconds_(load.seconds) {}

void observer::arrived(request_id request, double now, std::uint32_t num_input) {
  look_at_clock(now);
  flight begun{.arrival = now, .num_input = num_input, .is_seen = is_looking()};
  if (begun.is_seen) {
    begun.place = static_cast<std::uint32_t>(out_.first_token.size());
    out_.first_token.push_back(unanswered);
    ++num_awaited_;
  }
  flights_.emplace(request, begun);
}

void observer::got_tokens(request_id request, double now, std::uint32_t count) {
  look_at_clock(now);
  auto& f = flights_.at(request);
  const bool is_first = f.last_token < 0;
  if (is_looking()) {
    out_.num_output_tokens += count;
    if (is_first) out_.num_input_tokens += f.num_input;
  }
  if (f.is_seen && is_first) {
    out_.first_token[f.place] = now - f.arrival;
    --num_awaited_;
  } else if (f.is_seen) {
    out_.token_gaps.push_back(static_cast<float>(now - f.last_token));
  }
  f.last_token = now;
}

void observer::ended(request_id request, double now, finish_reason why) {
  look_at_clock(now);
  if (why == finish_reason::failed) ++out_.num_failed;
  if (why == finish_reason::timed_out) ++out_.num_timed_out;
  forget(request);
  if (begin_ < 0 && what_.concurrency > 0 && ++num_warm_ >= what_.concurrency) {
    begin_ = now;
  } else if (is_looking()) {
    ++out_.num_finished;
    close_round(now);
  }
}

void observer::refused(request_id request) {
  ++out_.num_refused;
  forget(request);
}

// One that has no first token to tell of stays without.
void observer::forget(request_id request) {
  auto it = flights_.find(request);
  if (it->second.is_seen && it->second.last_token < 0) {
    --num_awaited_;
    ++out_.num_unanswered;
  }
  flights_.erase(it);
}

void observer::close_round(double now) {
  if (what_.concurrency == 0 || now - begin_ < seconds_) return;
  const auto rounds = out_.num_finished / what_.concurrency;
  if (out_.num_finished % what_.concurrency == 0 && rounds >= least_rounds) end_ = now;
}

void observer::look_at_clock(double now) {
  if (what_.concurrency > 0) return;
  const double warm = warm_share * seconds_;
  if (begin_ < 0 && now >= warm) begin_ = warm;
  if (is_looking() && now >= warm + seconds_) end_ = warm + seconds_;
}

bool observer::is_over(double now) const {
  if (out_.num_refused >= most_refusals) return true;
  if (end_ < 0) return false;
  return num_awaited_ == 0 || now >= end_ + seconds_;
}

measurement observer::finish(double now) {
  if (begin_ < 0) begin_ = now;
  if (end_ < 0) end_ = now;
  out_.seconds = end_ - begin_;
  for (auto& [request, f] : flights_) {
    if (!f.is_seen || f.last_token >= 0) continue;
    out_.first_token[f.place] = now - f.arrival;
    ++out_.num_unanswered;
  }
  std::erase_if(out_.first_token, [](double seconds) { return seconds < 0; });
  return std::move(out_);
}

}  // namespace troupe::planning
