// One thread that asks: it sends requests when they are due, over connections of its own, and
// counts what becomes of them. Its public members may be called from the thread that controls the
// run.
#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "load/connection.hpp"
#include "load/prompts.hpp"
#include "load/request_form.hpp"
#include "load/tally.hpp"
#include "load/verifier.hpp"

namespace troupe::load {

// What all workers of a run have in common; const, and outlives them.
struct load_setup {
  target to;
  request_form form;
  std::shared_ptr<const prompt_source> prompts;
  request_limits limits;              // of a good request
  const verifier* checker = nullptr;  // null: answers are not looked at
  std::uint32_t verify_every = 0;     // a canary in so many requests; 0: none
  std::uint64_t seed = 0;
  think_time think;
  double request_timeout = 600;          // seconds from sent to end
  std::uint32_t max_connections = 4096;  // of one worker
  bool keeps_ledger = false;
};

// A stage as a worker must know it. Times are seconds since the begin of the run.
struct stage_span {
  std::uint32_t index = 0;
  double start = 0, duration = 0;
};

// Users of a closed loop, as of a stage. `spawn`: how many come per second.
struct user_order {
  std::uint32_t count = 0;
  double spawn = 1;
  bool has_think_time = true;
};

// What a worker has counted since it was last asked.
struct worker_news {
  std::vector<std::pair<std::uint32_t, second_tally>> seconds;  // those that are over
  std::string ledger;                                           // lines
  std::uint64_t in_flight = 0;
  std::uint32_t users = 0;
};

class worker : private piece_observer {
 public:
  // `number` of `num_workers`; `budget`: how many more requests users may begin, of all workers.
  worker(const load_setup& setup, const run_clock& clock, std::uint32_t number,
         std::uint32_t num_workers, std::atomic<std::int64_t>& budget);
  ~worker() override;
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  // Sends request i (with key keys[i]) at due[i], seconds since the begin of the run, ascending.
  void follow(stage_span stage, std::vector<double> due, std::vector<std::uint64_t> keys);
  // From now on these users belong to `stage`; those that are too many leave after their request.
  void keep_users(stage_span stage, user_order users);
  // For good: no more requests begin; those under way go on.
  void end_schedules();
  // Ends what is under way: it counts as aborted where a person ends the run, else as failed: the
  // server had its time.
  void abort_requests(bool by_person);

  // Seconds before `up_to`, moved out.
  worker_news collect(std::uint32_t up_to);
  // Of all stages so far, by their index.
  std::vector<stage_tally> stages();
  // Nothing is under way or still to come, users aside.
  bool is_idle() const { return num_pending_.load() == 0; }

 private:
  struct flight;
  struct user_slot {
    std::uint64_t epoch = 0;  // grows when the user of this number leaves
    bool is_here = false;
  };
  using steady_timer = asio::steady_timer;

  void on_piece(double gap) override;
  asio::awaitable<void> follow_schedule(stage_span stage, std::vector<double> due,
                                        std::vector<std::uint64_t> keys);
  asio::awaitable<void> be_user(std::uint32_t user, std::uint64_t epoch, double begin);
  struct job;
  asio::awaitable<void> converse(job what);
  asio::awaitable<void> run_job(job what);
  asio::awaitable<bool> take_slot(std::uint64_t epoch);
  void free_slot();
  asio::awaitable<std::string> talk(flight& mine, const std::string& message,
                                    answer_reader& answer);
  asio::awaitable<bool> sleep_until(double time);
  asio::awaitable<void> watch_timeouts();
  job make_job(stage_span stage, double due, std::uint64_t number, std::uint64_t key);
  std::string message_of(const job& what, std::size_t turn,
                         const std::vector<std::string>& answers) const;
  void end_request(request_record& record, answer_reader& answer, const std::string& why,
                   const flight& mine, const job& what);
  void check(request_record& record, const answer_reader& answer, const job& what,
             stage_tally& tally);
  stage_tally& tally_of(std::uint32_t stage);
  second_tally& second_of(double time);
  void wake_sleepers();
  void run_inside(std::function<void()> what);

  const load_setup& setup_;
  const run_clock& clock_;
  std::uint32_t number_, num_workers_;
  std::atomic<std::int64_t>& budget_;

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::string head_;  // of HTTP requests
  std::vector<std::unique_ptr<connection>> idle_;
  std::uint32_t num_slots_ = 0;  // taken
  std::deque<steady_timer*> waiting_;
  std::set<steady_timer*> sleeping_;
  std::unordered_set<flight*> flights_;
  std::map<std::uint32_t, user_slot> users_;
  std::uint32_t num_users_ = 0;
  stage_span users_stage_;
  bool users_think_ = true;
  bool is_ending_ = false;   // no request begins
  std::uint64_t epoch_ = 0;  // grows with abort_requests: what began before does not go on
  bool is_leaving_ = false;
  std::uint64_t num_begun_ = 0;
  std::vector<stage_tally> stages_;
  std::map<std::uint32_t, second_tally> seconds_;
  std::string ledger_;
  std::atomic<std::uint64_t> num_pending_{0};
  std::thread thread_;
};

}  // namespace troupe::load
