// What a run of `troupe bench` found out, as plain values: everything that the console, the JSON
// file, the CSV files and the reports are made of. Times are seconds, rates per second, sizes
// bytes, unless the name says otherwise. Percentiles and latencies are those of successful requests
// only.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/latency_histogram.hpp"

namespace troupe::load {

// How a request ended. `rejected`: the server said 429 or 503; `failed`: everything else that is no
// answer; `aborted`: SIGINT ended the run before its answer.
enum class request_end : std::uint8_t { success, rejected, failed, aborted };
std::string_view to_string(request_end end);

// The class of a failure or a rejection is a short text: "connect", "reset", "timeout", "tls",
// "http 500", "protocol" (the answer is none of the API), "stream error" (an error event in a
// stream), "truncated", "unanswered" (not over when --drain-timeout was), "canary" (a wrong text),
// "schema" (an answer against its schema).
using failure_counts = std::map<std::string, std::uint64_t>;

// One line of the ledger. All times are seconds since the begin of the run, by a monotonic clock.
struct request_record {
  std::uint64_t number = 0;  // of the schedule: the same seed makes the same request of it
  std::uint32_t stage = 0;   // index in run_record::stages, by the due time
  std::uint32_t turn = 0;    // of its conversation, from 0
  double due = 0;            // when it should have been sent: latencies count from here
  double sent = 0;           // when it was
  double end = 0;            // when it was over
  double ttft = -1;          // due to first text; negative: no stream, or no text
  double max_gap = -1;       // longest time between two pieces of text; negative: fewer than two
  request_end outcome = request_end::success;
  std::string failure;       // its class; empty for a success
  std::uint32_t status = 0;  // of HTTP; 0: there was none
  std::uint32_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;  // as `usage` counts
  std::uint32_t num_pieces = 0;                                           // events with text
  std::uint64_t sent_bytes = 0, received_bytes = 0;
  bool is_canary = false;

  double e2e() const { return end - due; }
  double lag() const { return sent - due; }
  // Time per output token after the first; negative where there is none.
  double tpot() const {
    return ttft < 0 || output_tokens < 2 ? -1 : (e2e() - ttft) / (output_tokens - 1);
  }
};

// Counts of requests and what they carried. scheduled = sent + unsent;
// sent = succeeded + rejected + failed + aborted once all have ended.
struct request_totals {
  std::uint64_t scheduled = 0;  // due so far
  std::uint64_t sent = 0;
  std::uint64_t succeeded = 0, rejected = 0, failed = 0, aborted = 0;
  std::uint64_t late = 0;  // sent later than 10 ms after they were due
  std::uint64_t good = 0;  // successes within every limit of --goodput; all if there is none
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;  // of successes
  std::uint64_t sent_bytes = 0, received_bytes = 0;
  failure_counts failures;    // by class; their sum is `failed`
  failure_counts rejections;  // by class ("http 429", "http 503"); their sum is `rejected`

  std::uint64_t ended() const { return succeeded + rejected + failed + aborted; }
  // Of what the server answered or should have: aborted requests are nobody's fault. 0 to 1; 1 if
  // none has ended.
  double success_share() const;
  void merge(const request_totals& other);
};

// The distributions. ttft, e2e, tpot, max_gap: one value for each request; itl: one for each gap
// between two pieces of text; lag: of every request that was sent, also of those without success.
struct latencies {
  latency_histogram ttft, itl, tpot, e2e, max_gap;
  latency_histogram rejected_e2e, failed_e2e;  // how long it took to be told
  latency_histogram lag;                       // sent - due: how late the generator itself was

  void merge(const latencies& other);
};

// How much is asked for: `open` at a rate, `closed` by users who wait for answers, `trace` at the
// times of a file.
enum class load_kind : std::uint8_t { open, closed, trace };
std::string_view to_string(load_kind kind);

struct stage_result {
  std::string name;  // "50 users", "12.5/s", ...
  load_kind kind = load_kind::open;
  double offered_rate = 0;         // requests/s asked for; 0 when closed
  std::uint32_t users = 0;         // 0 when open
  double start = 0, duration = 0;  // since the begin of the run; how long it issued requests
  double drained = 0;              // when the last of its requests was over
  bool is_judged = true;           // counts for the SLO; false for warming up and for searching
  bool is_stable = true;           // the server kept up: see keeps_up in load/tally.hpp
  request_totals totals;
  latencies times;
  double peak_memory_bytes = -1;  // of the server while it ran; negative: not known

  // Requests succeeded, tokens out, good requests: per second from start to the last end.
  double request_throughput() const;
  double output_throughput() const;
  double goodput() const;
  double seconds() const;  // what these divide by
};

// What the server said of itself; negative: it did not say.
struct server_sample {
  double kv_use = -1;                 // share of the KV cache held by requests, 0 to 1
  double waiting = -1, running = -1;  // requests
  double replicas = -1;               // that serve
  double memory_bytes = -1;           // resident, of the process that answers /metrics
  double load = -1;                   // troupe_load
};

struct quantiles {
  double p50 = -1, p95 = -1, p99 = -1;  // seconds; negative: there was none
};

// One second of the run. Due requests count where they were due, all others where they ended.
struct second_point {
  std::uint32_t second = 0;         // [second, second + 1) since the begin of the run
  std::uint32_t stage = 0;          // that was running at its begin
  std::uint32_t users = 0;          // active at its end
  std::uint64_t due = 0, sent = 0;  // offered and achieved rate
  std::uint64_t succeeded = 0, rejected = 0, aborted = 0, failed = 0;
  failure_counts failures;
  std::uint64_t in_flight = 0;      // at its end
  std::uint64_t output_tokens = 0;  // of streams as they arrive, else with the answer
  quantiles ttft, itl, e2e;         // of requests (gaps) that ended in it
  quantiles lag;                    // of requests sent in it
  server_sample server;
};

struct slo_verdict {
  std::string clause;  // "e2e_p99<2s", as it was asked for
  double wanted = 0;   // seconds, shares or rates
  double found = 0;
  bool is_met = false;
};

struct verification {
  std::uint64_t num_canaries = 0;    // asked with the load, and answered
  std::uint64_t num_mismatches = 0;  // of them, with another text than alone
  std::uint64_t num_schema_answers = 0, num_schema_errors = 0;
  std::vector<std::string> examples;  // the first few wrong ones, in words
  void merge(const verification& other);
};

struct environment {
  std::string url, api;  // "http://127.0.0.1:8080", "chat"
  bool is_stream = true;
  std::string model;
  std::string server;        // "troupe 0.1.0", or what it calls itself; empty: it did not say
  std::string server_info;   // JSON of /server_info; empty: there is none
  std::string client;        // "troupe 0.1.0"
  std::string machine;       // of the generator: processor, cores, memory, system
  std::string command_line;  // keys and secrets left out
  std::string plan;          // "rate", "users", "trace", "seed", "sweep", ...
  std::string arrival;       // "poisson", "constant", "gamma:0.5"; empty when closed
  std::string prompts;       // where they come from, in words
  std::uint64_t seed = 0;
  std::uint32_t workers = 1;
  std::string started_at;  // UTC, "2026-11-22T09:30:00Z"
};

// What a run shows. Wrong answers (--verify), and no success at all, count as a missed SLO.
enum class run_verdict : std::uint8_t { passed, generator_overloaded, slo_missed, target_down };
std::string_view to_string(run_verdict verdict);

struct run_record {
  environment where;
  double duration = 0;          // begin to the last end
  bool is_interrupted = false;  // by SIGINT
  std::vector<stage_result> stages;
  std::vector<second_point> series;
  // Over the judged stages: what the console, the CSV files and the head of the JSON file show.
  stage_result overall;
  std::optional<std::uint32_t> best_stage;  // of a sweep: within the SLO; of `seed`: the knee
  std::vector<slo_verdict> slo;
  verification verified;
  std::uint32_t reference_requests = 0;  // asked before the run, for --verify: in no total
  std::vector<std::string> warnings;     // "a closed loop hides ...", in words
  run_verdict verdict = run_verdict::passed;
};

}  // namespace troupe::load
