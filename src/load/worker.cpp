#include "load/worker.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <algorithm>
#include <future>
#include <utility>

#include "load/report_json.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace troupe::load {
namespace {

using boost::system::error_code;
constexpr auto waiting = asio::as_tuple(asio::use_awaitable);
constexpr double watch_every = 0.05;  // seconds
// Requests that are late are sent one after the other, but answers want to be read, too.
constexpr std::uint32_t sends_at_once = 16;

constexpr std::size_t max_examples = 5, max_example_bytes = 300;

std::string in_quotes(std::string_view text) {
  std::string out;
  append_json_string(out, utf8_head(text, max_example_bytes));
  return out;
}

bool is_rejection(const std::string& kind) { return kind == "http 429" || kind == "http 503"; }

}  // namespace

struct worker::flight {
  connection* line = nullptr;
  double deadline = 0;
  bool has_timed_out = false;
  bool is_aborted = false;
  bool by_person = false;
};

struct worker::job {
  stage_span stage;
  double due = 0;
  std::uint64_t number = 0, key = 0;
  conversation talk;
  std::string message;  // of its first turn, made before it is due
  bool is_canary = false;
  std::uint64_t canary_number = 0;
};

worker::worker(const load_setup& setup, const run_clock& clock, std::uint32_t number,
               std::uint32_t num_workers, std::atomic<std::int64_t>& budget)
    : setup_(setup),
      clock_(clock),
      number_(number),
      num_workers_(num_workers),
      budget_(budget),
      work_(asio::make_work_guard(io_)) {
  auto& where = setup.to.options.where;
  head_ = http_head("POST", where.path + std::string(path_of(setup.form.api)), where.authority(),
                    setup.to.options.bearer_token);
  asio::co_spawn(io_, watch_timeouts(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

worker::~worker() {
  end_schedules();
  abort_requests(true);
  run_inside([this] {
    is_leaving_ = true;
    wake_sleepers();
  });
  work_.reset();
  thread_.join();
}

void worker::run_inside(std::function<void()> what) {
  std::promise<void> done;
  asio::post(io_, [&] {
    what();
    done.set_value();
  });
  done.get_future().wait();
}

void worker::follow(stage_span stage, std::vector<double> due, std::vector<std::uint64_t> keys) {
  ++num_pending_;
  asio::post(io_, [this, stage, due = std::move(due), keys = std::move(keys)]() mutable {
    asio::co_spawn(io_, follow_schedule(stage, std::move(due), std::move(keys)), asio::detached);
  });
}

void worker::keep_users(stage_span stage, user_order order) {
  run_inside([this, stage, order] {
    users_stage_ = stage;
    users_think_ = order.has_think_time;
    // Users are dealt out to the workers in turn.
    std::uint32_t num_new = 0;
    for (auto user = number_; user < order.count; user += num_workers_) {
      auto& slot = users_[user];
      if (slot.is_here) continue;
      slot.is_here = true;
      auto place = num_new++ * num_workers_ + number_;
      asio::co_spawn(io_, be_user(user, slot.epoch, stage.start + place / order.spawn),
                     asio::detached);
    }
    for (auto& [user, slot] : users_) {
      if (user < order.count || !slot.is_here) continue;
      slot.is_here = false;
      ++slot.epoch;
    }
    wake_sleepers();
  });
}

void worker::end_schedules() {
  run_inside([this] {
    is_ending_ = true;
    wake_sleepers();
  });
}

void worker::abort_requests(bool by_person) {
  run_inside([this, by_person] {
    ++epoch_;
    wake_sleepers();
    for (auto* one : waiting_) one->cancel();
    for (auto* one : flights_) {
      one->is_aborted = true;
      one->by_person = by_person;
      if (one->line != nullptr) one->line->close();
    }
  });
}

void worker::wake_sleepers() {
  for (auto* one : sleeping_) one->cancel();
}

worker_news worker::collect(std::uint32_t up_to) {
  worker_news out;
  run_inside([&] {
    while (!seconds_.empty() && seconds_.begin()->first < up_to) {
      out.seconds.emplace_back(seconds_.begin()->first, std::move(seconds_.begin()->second));
      seconds_.erase(seconds_.begin());
    }
    out.ledger.swap(ledger_);
    out.in_flight = flights_.size();
    out.users = num_users_;
  });
  return out;
}

std::vector<stage_tally> worker::stages() {
  std::vector<stage_tally> out;
  run_inside([&] { out = stages_; });
  return out;
}

stage_tally& worker::tally_of(std::uint32_t stage) {
  if (stage >= stages_.size()) stages_.resize(stage + 1);
  return stages_[stage];
}

second_tally& worker::second_of(double time) {
  return seconds_[static_cast<std::uint32_t>(std::max(time, 0.0))];
}

void worker::on_piece(double gap) {
  auto& second = second_of(clock_.now());
  ++second.output_tokens;
  if (gap >= 0) second.itl.observe(gap);
}

// True when the time has come; false when somebody woke it before.
asio::awaitable<bool> worker::sleep_until(double time) {
  steady_timer timer(io_, clock_.at(time));
  sleeping_.insert(&timer);
  auto [cancelled] = co_await timer.async_wait(waiting);
  sleeping_.erase(&timer);
  co_return !cancelled;
}

asio::awaitable<void> worker::watch_timeouts() {
  while (!is_leaving_) {
    co_await sleep_until(clock_.now() + watch_every);
    auto now = clock_.now();
    for (auto* one : flights_) {
      if (one->deadline > now || one->line == nullptr || one->has_timed_out) continue;
      one->has_timed_out = true;
      one->line->close();
    }
  }
}

worker::job worker::make_job(stage_span stage, double due, std::uint64_t number,
                             std::uint64_t key) {
  job out{stage, due, number, key, {}, {}, false, 0};
  auto count = num_begun_++;
  if (setup_.verify_every > 0 && count % setup_.verify_every == setup_.verify_every - 1) {
    out.is_canary = true;
    out.canary_number = count / setup_.verify_every;
    out.talk = setup_.checker->canary_of(out.canary_number).talk;
  } else {
    out.talk = setup_.prompts->make(key);
  }
  out.message = message_of(out, 0, {});
  return out;
}

std::string worker::message_of(const job& what, std::size_t turn,
                               const std::vector<std::string>& answers) const {
  auto body = setup_.form.body(what.talk, turn, answers, what.is_canary);
  if (setup_.form.is_websocket)
    return websocket_frame(std::to_string(what.number), path_of(setup_.form.api), body);
  return http_request(head_, body);
}

asio::awaitable<void> worker::follow_schedule(stage_span stage, std::vector<double> due,
                                              std::vector<std::uint64_t> keys) {
  std::uint32_t num_at_once = 0;
  for (std::size_t i = 0; i < due.size() && !is_ending_; ++i) {
    auto next = make_job(stage, due[i], keys[i], keys[i]);
    while (!is_ending_ && clock_.now() < due[i]) {
      num_at_once = 0;
      co_await sleep_until(due[i]);
    }
    if (is_ending_) break;
    if (++num_at_once >= sends_at_once) {
      num_at_once = 0;
      co_await asio::post(io_, asio::use_awaitable);
    }
    ++num_pending_;
    asio::co_spawn(io_, run_job(std::move(next)), asio::detached);
  }
  --num_pending_;
}

asio::awaitable<void> worker::be_user(std::uint32_t user, std::uint64_t epoch, double begin) {
  auto is_wanted = [&] { return !is_ending_ && users_[user].epoch == epoch; };
  while (is_wanted() && clock_.now() < begin) co_await sleep_until(begin);
  keyed_random thoughts(setup_.seed, user);
  ++num_users_;
  auto due = begin;
  for (std::uint32_t round = 0; is_wanted(); ++round) {
    if (budget_.fetch_sub(1) <= 0) break;
    auto key = thoughts.next() >> 24U;
    ++num_pending_;
    auto next = make_job(users_stage_, due, std::uint64_t{user} << 32U | round, key);
    co_await run_job(std::move(next));
    due = clock_.now() + (users_think_ ? setup_.think.draw(thoughts) : 0);
    while (is_wanted() && clock_.now() < due) co_await sleep_until(due);
  }
  --num_users_;
}

asio::awaitable<void> worker::run_job(job what) {
  co_await converse(std::move(what));
  --num_pending_;
}

asio::awaitable<void> worker::converse(job what) {
  std::vector<std::string> answers;
  auto num_turns = what.talk.turns.size();
  bool checks_schema = setup_.checker != nullptr && setup_.checker->has_schema();
  keyed_random thoughts(setup_.seed + 1, what.key);
  auto due = what.due;
  auto epoch = epoch_;
  for (std::size_t turn = 0; turn < num_turns; ++turn) {
    if (turn > 0) {
      due = clock_.now() + setup_.think.draw(thoughts);
      what.message = message_of(what, turn, answers);
      auto goes_on = [&] { return !is_ending_ && epoch == epoch_; };
      while (goes_on() && clock_.now() < due) co_await sleep_until(due);
      if (!goes_on()) co_return;
    }
    ++tally_of(what.stage.index).totals.scheduled;
    ++second_of(due).due;
    request_record record;
    record.number = what.number;
    record.stage = what.stage.index;
    record.turn = static_cast<std::uint32_t>(turn);
    record.due = due;
    record.is_canary = what.is_canary;
    record.sent_bytes = what.message.size();
    bool keeps_text = what.is_canary || checks_schema || num_turns > 1;
    answer_reader answer(setup_.form.api, keeps_text, this);
    if (bool is_given = co_await take_slot(epoch); !is_given) co_return;
    flight mine;
    flights_.insert(&mine);
    record.sent = clock_.now();
    mine.deadline = record.sent + setup_.request_timeout;
    tally_of(what.stage.index).count_sent(record.lag());
    auto& second = second_of(record.sent);
    ++second.sent;
    second.lag.observe(record.lag());
    auto why = co_await talk(mine, what.message, answer);
    flights_.erase(&mine);
    free_slot();
    end_request(record, answer, why, mine, what);
    if (record.outcome != request_end::success) co_return;
    answers.push_back(std::move(answer.text));
  }
}

// A connection of its own for as long as a request takes; there is a bound on how many are open.
asio::awaitable<bool> worker::take_slot(std::uint64_t epoch) {
  while (num_slots_ >= setup_.max_connections && epoch == epoch_) {
    steady_timer turn(io_, steady_timer::time_point::max());
    waiting_.push_back(&turn);
    co_await turn.async_wait(waiting);
    std::erase(waiting_, &turn);
  }
  if (epoch != epoch_) co_return false;
  ++num_slots_;
  co_return true;
}

void worker::free_slot() {
  --num_slots_;
  if (waiting_.empty()) return;
  waiting_.front()->cancel();
  waiting_.pop_front();
}

asio::awaitable<std::string> worker::talk(flight& mine, const std::string& message,
                                          answer_reader& answer) {
  while (true) {
    std::unique_ptr<connection> line;
    if (!idle_.empty()) {
      line = std::move(idle_.back());
      idle_.pop_back();
    }
    bool is_used = line != nullptr;
    std::string why;
    if (!is_used) {
      line = make_connection(io_, setup_.to, clock_);
      mine.line = line.get();
      why = co_await line->open();
    }
    mine.line = line.get();
    if (why.empty()) why = co_await line->exchange(message, answer);
    mine.line = nullptr;
    bool is_disturbed = mine.is_aborted || mine.has_timed_out;
    // A server may close a connection that is idle just when a request goes out on it: that one is
    // sent again, as every client does. It was due when it was due.
    if (why == "reset" && is_used && answer.received_bytes == 0 && !is_disturbed) continue;
    if (why.empty() && line->is_reusable()) idle_.push_back(std::move(line));
    co_return why;
  }
}

void worker::end_request(request_record& record, answer_reader& answer, const std::string& why,
                         const flight& mine, const job& what) {
  record.end = clock_.now();
  record.status = answer.status;
  record.received_bytes = answer.received_bytes;
  if (answer.first_piece >= 0) record.ttft = answer.first_piece - record.due;
  record.max_gap = answer.max_gap;
  record.num_pieces = answer.num_pieces;
  record.prompt_tokens = answer.prompt_tokens;
  record.cached_tokens = answer.cached_tokens;
  record.output_tokens = answer.output_tokens;
  record.failure = why.empty() ? answer.failure : why;
  if (!why.empty() && mine.has_timed_out) record.failure = "timeout";
  if (!why.empty() && mine.is_aborted) record.failure = mine.by_person ? "aborted" : "unanswered";
  auto& tally = tally_of(record.stage);
  if (record.failure.empty()) check(record, answer, what, tally);
  if (record.failure == "aborted") {
    record.outcome = request_end::aborted;
  } else if (!record.failure.empty()) {
    record.outcome = is_rejection(record.failure) ? request_end::rejected : request_end::failed;
  }
  bool is_early = record.due < what.stage.start + what.stage.duration / 2;
  tally.count(record, answer.gaps, setup_.limits, is_early);
  second_of(record.end).count(record);
  if (!setup_.keeps_ledger) return;
  append_ledger_json(ledger_, record);
  ledger_ += '\n';
}

void worker::check(request_record& record, const answer_reader& answer, const job& what,
                   stage_tally& tally) {
  auto& found = tally.verified;
  auto tell = [&found](const std::string& text) {
    if (found.examples.size() < max_examples) found.examples.push_back(text);
  };
  if (what.is_canary) {
    ++found.num_canaries;
    auto& expected = setup_.checker->canary_of(what.canary_number).expected;
    if (answer.text != expected) {
      ++found.num_mismatches;
      record.failure = "canary";
      tell("canary " + std::to_string(record.number) + ": expected " + in_quotes(expected) +
           ", got " + in_quotes(answer.text));
    }
  }
  if (setup_.checker == nullptr || !setup_.checker->has_schema()) return;
  ++found.num_schema_answers;
  auto wrong = setup_.checker->check_schema(answer.text);
  if (wrong.empty()) return;
  ++found.num_schema_errors;
  if (record.failure.empty()) record.failure = "schema";
  tell("answer " + std::to_string(record.number) + ": " + wrong + ": " + in_quotes(answer.text));
}

}  // namespace troupe::load
