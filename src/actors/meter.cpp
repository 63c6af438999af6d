#include "actors/meter.hpp"

#include "core/metrics.hpp"

#include <array>
#include <map>
#include <utility>

namespace troupe {
namespace {

double seconds_between(steady_time from, steady_time to) {
  return std::chrono::duration<double>(to - from).count();
}

constexpr std::array<std::string_view, 6> refusal_names{"queue_full", "rate_limit", "token_budget",
                                                        "api_key",    "origin",     "connections"};

// What has been observed since the start; the last word on each gauge.
struct observations {
  queue_observed queue;
  step_observed step;
  pages_observed pages;
  std::array<std::uint64_t, refusal_names.size()> refusals{};  // by refusal_reason
  std::uint64_t num_preemptions = 0, num_steps = 0;
  std::uint64_t prompt_tokens = 0, generation_tokens = 0;
  std::array<std::uint64_t, 5> num_finished{};                // by finish_reason
  std::map<std::pair<std::string, int>, std::uint64_t> http;  // by route and status
  replica_observed replica;
  histogram first_token{first_token_buckets()};
  histogram time_per_token{inter_token_buckets()};
  histogram e2e{request_buckets()};
  histogram queue_time{request_buckets()};
  histogram prefill_time{request_buckets()};
  histogram decode_time{request_buckets()};
  histogram step_time{inter_token_buckets()};
  histogram http_time{request_buckets()};
};

class meter_actor : public meter::base {
 public:
  meter_actor(caf::actor_config& config, std::string model_name)
      : meter::base(config), model_name_(std::move(model_name)) {}

  const char* name() const override { return "meter"; }

  behavior_type make_behavior() override {
    return {
        [this](const queue_observed& q) {
          seen_.queue = q;
          count_refusals(refusal_reason::queue_full, q.num_refused);
        },
        [this](const step_observed& s) { count_step(s); },
        [this](const pages_observed& p) { seen_.pages = p; },
        [this](const request_observed& r) { count_request(r); },
        [this](const http_observed& h) {
          ++seen_.http[{h.route, h.status}];
          seen_.http_time.observe(h.seconds);
        },
        [this](const refusal_observed& r) { count_refusals(r.why, 1); },
        [this](const replica_observed& r) { seen_.replica = r; },
        [this](const render&) { return render_text(); },
    };
  }

 private:
  void count_refusals(refusal_reason why, std::uint32_t num) {
    seen_.refusals[static_cast<std::size_t>(why)] += num;
  }

  void count_step(const step_observed& s) {
    seen_.step = s;
    seen_.num_preemptions += s.num_preemptions;
    if (s.seconds <= 0) return;
    ++seen_.num_steps;
    seen_.step_time.observe(s.seconds);
  }

  void count_request(const request_observed& r) {
    ++seen_.num_finished[static_cast<std::size_t>(r.why)];
    if (r.admitted == steady_time{}) return;
    seen_.prompt_tokens += r.usage.prompt_tokens;
    seen_.generation_tokens += r.usage.completion_tokens;
    seen_.queue_time.observe(seconds_between(r.arrival, r.admitted));
    if (r.first_token == steady_time{}) return;
    seen_.first_token.observe(seconds_between(r.arrival, r.first_token));
    seen_.prefill_time.observe(seconds_between(r.admitted, r.first_token));
    seen_.decode_time.observe(seconds_between(r.first_token, r.last_token));
    seen_.e2e.observe(seconds_between(r.arrival, r.last_token));
    if (r.usage.completion_tokens > 1)
      seen_.time_per_token.observe(seconds_between(r.first_token, r.last_token) /
                                   (r.usage.completion_tokens - 1));
  }

  std::string render_text() const {
    metrics_text text({{"model_name", model_name_}, {"engine", "0"}});
    render_gauges(text);
    render_counters(text);
    render_histograms(text);
    return text.take();
  }

  void render_gauges(metrics_text& text) const {
    auto gauge = [&](std::string_view name, double value, std::string_view help) {
      text.family(name, metrics_text::kind::gauge, help);
      text.sample(value);
    };
    auto num_waiting = seen_.queue.num_waiting + seen_.step.num_waiting;
    gauge("vllm:num_requests_running", seen_.step.num_running, "Requests in the running batch.");
    gauge("vllm:num_requests_waiting", num_waiting, "Requests that wait for a slot or for pages.");
    auto used =
        seen_.pages.num_pages ? double{1} * seen_.pages.num_used / seen_.pages.num_pages : 0;
    gauge("vllm:kv_cache_usage_perc", used, "Share of the KV pages held by requests, 0 to 1.");
    gauge("troupe_kv_pages_used", seen_.pages.num_used, "KV pages held by requests.");
    gauge("troupe_kv_pages_cached", seen_.pages.num_cached,
          "KV pages kept for their prefix, free on demand.");
    gauge("troupe_kv_pages", seen_.pages.num_pages, "KV pages of the replica.");
    gauge("troupe_queue_tokens", static_cast<double>(seen_.queue.waiting_tokens),
          "Prompt tokens of the requests in the queue.");
    gauge("troupe_replica_ready", seen_.replica.ready ? 1 : 0, "1 while every executor answers.");
  }

  void render_counters(metrics_text& text) const {
    auto counter = [&](std::string_view name, std::uint64_t value, std::string_view help) {
      text.family(name, metrics_text::kind::counter, help);
      text.sample(static_cast<double>(value));
    };
    counter("vllm:prompt_tokens_total", seen_.prompt_tokens,
            "Prompt tokens of requests that ran and ended.");
    counter("vllm:generation_tokens_total", seen_.generation_tokens,
            "Generated tokens of requests that ran and ended.");
    counter("vllm:num_preemptions_total", seen_.num_preemptions,
            "Sequences that gave their pages up and were computed again.");
    counter("vllm:prefix_cache_queries_total", seen_.pages.queried_tokens,
            "Tokens looked up in the prefix cache.");
    counter("vllm:prefix_cache_hits_total", seen_.pages.hit_tokens,
            "Tokens found in the prefix cache.");
    counter("troupe_steps_total", seen_.num_steps, "Steps that the executors ran.");
    counter("troupe_replica_restarts_total", seen_.replica.num_restarts,
            "Restarts after an executor failed.");
    text.family("troupe_requests_refused_total", metrics_text::kind::counter,
                "Requests refused by the queue, or at the gate, by reason.");
    for (std::size_t i = 0; i < seen_.refusals.size(); ++i)
      text.sample(static_cast<double>(seen_.refusals[i]),
                  {{"reason", std::string{refusal_names[i]}}});
    text.family("vllm:request_success_total", metrics_text::kind::counter,
                "Ended requests by the reason of their end.");
    for (std::size_t i = 0; i < seen_.num_finished.size(); ++i)
      text.sample(static_cast<double>(seen_.num_finished[i]),
                  {{"finished_reason", std::string{to_string(static_cast<finish_reason>(i))}}});
    text.family("http_requests_total", metrics_text::kind::counter,
                "HTTP requests by route and status.");
    for (auto& [key, count] : seen_.http)
      text.sample(static_cast<double>(count),
                  {{"handler", key.first}, {"status", std::to_string(key.second)}});
  }

  void render_histograms(metrics_text& text) const {
    auto times = [&](std::string_view name, const histogram& values, std::string_view help) {
      text.family(name, metrics_text::kind::histogram, help);
      text.sample(values);
    };
    times("vllm:time_to_first_token_seconds", seen_.first_token, "Arrival to first token.");
    times("vllm:request_time_per_output_token_seconds", seen_.time_per_token,
          "Mean time between the tokens of a request.");
    times("vllm:e2e_request_latency_seconds", seen_.e2e, "Arrival to last token.");
    times("vllm:request_queue_time_seconds", seen_.queue_time, "Arrival to admission.");
    times("vllm:request_prefill_time_seconds", seen_.prefill_time, "Admission to first token.");
    times("vllm:request_decode_time_seconds", seen_.decode_time, "First to last token.");
    times("troupe_step_seconds", seen_.step_time, "One step on the device.");
    times("http_request_duration_seconds", seen_.http_time, "HTTP request to end of the answer.");
  }

  std::string model_name_;
  observations seen_;
};

}  // namespace

meter spawn_meter(caf::actor_system& system, std::string model_name) {
  return system.spawn<meter_actor>(std::move(model_name));
}

}  // namespace troupe
