// What a load brought, from the events of its requests: knows when to begin to look and when enough
// was seen. Times are seconds of the simulated clock.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/id.hpp"
#include "core/request.hpp"
#include "plan/load.hpp"

namespace troupe::planning {

// Of the requests that began while the load was looked at.
struct measurement {
  double seconds = 0;                   // looked at
  std::vector<double> first_token;      // seconds to each, in the order of arrival
  std::vector<float> token_gaps;        // seconds from one token of an answer to the next
  std::uint64_t num_output_tokens = 0;  // that came while it was looked at
  std::uint64_t num_input_tokens = 0;   // of prompts whose first token came meanwhile
  std::uint32_t num_finished = 0;       // while it was looked at
  // Of all requests, whenever they began.
  std::uint32_t num_failed = 0, num_refused = 0, num_timed_out = 0;
  // Began while the load was looked at and never had a token; those that still wait for it, as long
  // again as it was looked at, stand in `first_token` with the seconds that they have waited.
  std::uint32_t num_unanswered = 0;
};

// A closed loop warms up until as many requests have finished as there are clients. It is looked at
// for the seconds asked for, and on to the end of a round of all clients: answers of one length go
// round together, and a part of a round would count more first tokens than answers. An open one
// warms up for a fifth of the seconds.
class observer {
 public:
  observer(const load_shape& load, const load_case& what);

  void arrived(request_id request, double now, std::uint32_t num_input);
  void got_tokens(request_id request, double now, std::uint32_t count);
  void ended(request_id request, double now, finish_reason why);
  void refused(request_id request);
  // All that were looked at have a token, or were given up.
  bool is_over(double now) const;
  measurement finish(double now);

 private:
  struct flight {
    double arrival = 0, last_token = -1;
    std::uint32_t num_input = 0;
    std::uint32_t place = 0;  // in first_token
    bool is_seen = false;     // it began while the load was looked at
  };
  bool is_looking() const { return begin_ >= 0 && end_ < 0; }
  void look_at_clock(double now);
  void close_round(double now);
  void forget(request_id request);

  load_case what_;
  double seconds_;
  double begin_ = -1, end_ = -1;  // not yet
  std::uint32_t num_warm_ = 0;
  std::uint32_t num_awaited_ = 0;  // seen and without a token
  std::unordered_map<request_id, flight> flights_;
  measurement out_;
};

}  // namespace troupe::planning
