// A run: workers that ask, stage by stage as a plan says, and one place where all that they count
// comes together.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "load/arrivals.hpp"
#include "load/load_plan.hpp"
#include "load/server_watch.hpp"
#include "load/worker.hpp"

namespace troupe::load {

struct generator_options {
  std::uint32_t num_workers = 1;
  arrival_process arrival;
  const std::vector<trace_row>* trace = nullptr;  // of a plan of that kind
  double speed = 1;                               // of the trace
  std::uint64_t max_requests = 0;                 // 0: as many as the plan has
  double drain_timeout = 30;  // seconds for the last requests of a segment, then they have failed
  std::vector<slo_clause> slo;
  double max_lag = 0.010;  // seconds: a greater p99 means that the generator was overloaded
  std::ostream* ledger = nullptr;
};

class generator {
 public:
  // Called about once a second with what happened in it, on the thread of `run`.
  using second_observer = std::function<void(const second_point&, const std::string& stage)>;

  // `setup` must outlive it. `watch` may be null. The run begins now.
  generator(const load_setup& setup, generator_options options, const server_watch* watch,
            second_observer on_second);
  ~generator();
  generator(const generator&) = delete;
  generator& operator=(const generator&) = delete;

  // Fills in all but `where` and `reference_requests`. Once; blocks until the plan is over.
  void run(load_plan& plan, run_record& out);
  // From any thread, and from a signal's handler: the run ends now.
  void interrupt() { is_interrupted_ = true; }

 private:
  struct open_stage {
    stage_plan plan;
    double start = 0;
  };

  void run_segment(const segment& what);
  std::vector<double> due_times(const stage_plan& plan) const;
  void deal_out(std::uint32_t index, const std::vector<double>& due);
  void keep_users(std::uint32_t index, std::uint32_t count);
  void wait_until(double time);
  bool are_requests_used_up() const;
  void drain();
  bool is_idle() const;
  void collect(bool is_last);
  static void add_late(second_point& point, const second_tally& tally);
  void publish(const second_tally& tally, std::uint64_t in_flight, std::uint32_t users);
  std::uint32_t stage_at(double time) const;
  std::vector<stage_result> results();
  void conclude(load_plan& plan, run_record& out);

  const load_setup& setup_;
  generator_options options_;
  const server_watch* watch_;
  second_observer on_second_;
  std::atomic<std::int64_t> budget_;
  run_clock clock_;
  std::vector<std::unique_ptr<worker>> workers_;
  std::vector<open_stage> stages_;
  std::vector<double> peak_memory_;   // [stages]
  std::uint64_t next_number_ = 0;     // of requests with a schedule
  double segment_end_ = -1;           // where the next one begins; negative: after a pause
  std::vector<second_point> series_;  // [seconds that are over]
  verification verified_;
  std::atomic<bool> is_interrupted_{false};
};

// One stage of all that are judged.
stage_result overall_of(const std::vector<stage_result>& stages);
// How a run ended; `run` has everything else by then.
run_verdict verdict_of(const run_record& run, double max_lag);
// 0, 2, 4 or 1: what `troupe bench` exits with.
int exit_status(run_verdict verdict);

}  // namespace troupe::load
