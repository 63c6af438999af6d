#include "actors/tally_text.hpp"

#include "actors/process_usage.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

namespace troupe {
namespace {

using kind = metrics_text::kind;

constexpr std::array<std::string_view, num_refusal_reasons> refusal_names{
    "queue_full", "draining",    "prompt_too_long", "rate_limit", "token_budget",  "api_key",
    "origin",     "connections", "body_memory",     "memory",     "engine_failed", "other"};

double as_double(std::uint64_t value) { return static_cast<double>(value); }

double age_seconds(steady_time now, steady_time then) {
  return std::max(0.0, std::chrono::duration<double>(now - then).count());
}

// One family with one sample, most of the time.
class writer {
 public:
  explicit writer(metric_labels common) : text_(std::move(common)) {}

  void gauge(std::string_view name, double value, std::string_view help) {
    text_.family(name, kind::gauge, help);
    text_.sample(value);
  }
  void counter(std::string_view name, double value, std::string_view help) {
    text_.family(name, kind::counter, help);
    text_.sample(value);
  }
  void histogram(std::string_view name, const class histogram& values, std::string_view help) {
    text_.family(name, kind::histogram, help);
    text_.sample(values);
  }
  metrics_text& text() { return text_; }

 private:
  metrics_text text_;
};

void render_vllm_gauges(writer& out, const tally& t) {
  double num_waiting = t.queue.num_waiting + t.step.num_waiting;
  out.gauge("vllm:num_requests_running", t.step.num_running, "Requests in the running batch.");
  out.gauge("vllm:num_requests_waiting", num_waiting,
            "Requests that wait for a slot or for pages.");
  out.text().family("vllm:num_requests_waiting_by_reason", kind::gauge,
                    "Waiting requests; here all of them wait for capacity.");
  out.text().sample(num_waiting, {{"reason", "capacity"}});
  out.text().sample(0, {{"reason", "deferred"}});
  double used = t.pages.num_pages ? double{1} * t.pages.num_used / t.pages.num_pages : 0;
  out.gauge("vllm:kv_cache_usage_perc", used, "Share of the KV pages held by requests, 0 to 1.");
  out.gauge("vllm:gpu_cache_usage_perc", used, "Old name of vllm:kv_cache_usage_perc.");
  out.gauge("vllm:model_weights_memory_bytes", as_double(t.memory.request.weight_bytes),
            "Memory that the weights take, from the memory plan.");
  out.text().family("vllm:cache_config_info", kind::gauge, "How the KV cache is laid out.");
  out.text().sample(1,
                    {{"block_size", std::to_string(page_size_tokens)},
                     {"cache_dtype", t.memory.request.kv_dtype},
                     {"num_gpu_blocks", std::to_string(t.limits.num_pages)},
                     {"enable_prefix_caching", t.limits.enable_prefix_caching ? "True" : "False"},
                     {"kv_cache_memory_bytes", std::to_string(t.memory.kv_bytes)}});
}

void render_vllm_counters(writer& out, const tally& t) {
  out.counter("vllm:prompt_tokens_total", as_double(t.prompt_tokens),
              "Prompt tokens, counted with the first token of the answer.");
  out.text().family("vllm:prompt_tokens_by_source_total", kind::counter,
                    "Prompt tokens by where their keys and values came from.");
  out.text().sample(as_double(t.prompt_tokens - t.cached_tokens), {{"source", "local_compute"}});
  out.text().sample(as_double(t.cached_tokens), {{"source", "local_cache_hit"}});
  out.counter("vllm:prompt_tokens_cached_total", as_double(t.cached_tokens),
              "Prompt tokens taken from the prefix cache.");
  out.counter("vllm:generation_tokens_total", as_double(t.generation_tokens),
              "Generated tokens, counted as they leave for their reader.");
  out.counter("vllm:num_preemptions_total", as_double(t.num_preemptions),
              "Sequences that gave their pages up and were computed again.");
  out.counter("vllm:prefix_cache_queries_total", as_double(t.pages.queried_tokens),
              "Tokens looked up in the prefix cache.");
  out.counter("vllm:prefix_cache_hits_total", as_double(t.pages.hit_tokens),
              "Tokens found in the prefix cache.");
  out.counter("vllm:spec_decode_num_drafts_total", as_double(t.num_drafts),
              "Rows that carried guesses at the tokens behind theirs.");
  out.counter("vllm:spec_decode_num_draft_tokens_total", as_double(t.num_draft_tokens),
              "Tokens guessed.");
  out.counter("vllm:spec_decode_num_accepted_tokens_total", as_double(t.num_accepted_tokens),
              "Of these, tokens that the model chose, too.");
  auto ended = [&](finish_reason why) {
    return as_double(t.num_finished[static_cast<std::size_t>(why)]);
  };
  out.text().family("vllm:request_success_total", kind::counter,
                    "Ended requests in vLLM's words: abort is cancelled or timed_out, error is "
                    "failed (see troupe_requests_finished_total).");
  out.text().sample(ended(finish_reason::stop), {{"finished_reason", "stop"}});
  out.text().sample(ended(finish_reason::length), {{"finished_reason", "length"}});
  out.text().sample(ended(finish_reason::cancelled) + ended(finish_reason::timed_out),
                    {{"finished_reason", "abort"}});
  out.text().sample(ended(finish_reason::failed), {{"finished_reason", "error"}});
}

void render_vllm_histograms(writer& out, const tally& t) {
  out.histogram("vllm:time_to_first_token_seconds", t.first_token,
                "From the request's arrival at the front to its first token.");
  out.histogram("vllm:inter_token_latency_seconds", t.token_gap,
                "Between two tokens of one request as they leave for their reader.");
  out.histogram("vllm:time_per_output_token_seconds", t.token_gap,
                "Old name of vllm:inter_token_latency_seconds.");
  out.histogram("vllm:request_time_per_output_token_seconds", t.time_per_token,
                "Mean time between the tokens of a request.");
  out.histogram("vllm:e2e_request_latency_seconds", t.e2e, "Arrival to last token.");
  out.histogram("vllm:request_queue_time_seconds", t.queue_time,
                "From the queue to the first admission.");
  out.histogram("vllm:request_prefill_time_seconds", t.prefill_time,
                "First admission to first token, with preemptions in between.");
  out.histogram("vllm:request_decode_time_seconds", t.decode_time,
                "First to last token, with preemptions in between.");
  out.histogram("vllm:request_inference_time_seconds", t.inference_time,
                "First admission to last token.");
  out.histogram("vllm:request_prompt_tokens", t.request_prompt, "Prompt tokens of a request.");
  out.histogram("vllm:request_generation_tokens", t.request_generation,
                "Generated tokens of a request.");
  out.histogram("vllm:request_max_num_generation_tokens", t.request_generation,
                "The longest answer of a request; here each has one.");
  out.histogram("vllm:request_params_n", t.num_choices,
                "Answers of a request; several are several requests here.");
  out.histogram("vllm:request_params_max_tokens", t.request_max_tokens, "max_tokens of a request.");
  out.histogram("vllm:request_prefill_kv_computed_tokens", t.request_computed,
                "Prompt tokens of a request that were not in the prefix cache.");
  out.histogram("vllm:iteration_tokens_total", t.step_tokens, "Tokens computed in one step.");
}

void render_engine(writer& out, const tally& t, steady_time now) {
  out.text().family("troupe_device_info", kind::gauge,
                    "What runs the steps; null and sim compute nothing.");
  out.text().sample(1, {{"device", t.device}});
  out.gauge("troupe_load", t.load(),
            "The largest of: held share of the KV pages / 0.85, running / troupe_knee_requests, "
            "seconds to compute the pending prompt tokens / 1 s. Scale out well below 1.");
  if (!t.fleet)
    out.gauge("troupe_knee_requests", t.knee.num_seqs(t.limits.max_num_seqs),
              "Requests that give 90 % of the tokens per second that --max-num-seqs of them would, "
              "as the steps so far tell; --max-num-seqs until they do.");
  auto oldest = std::min(t.queue.oldest.value_or(now), t.step.oldest.value_or(now));
  out.gauge("troupe_queue_oldest_seconds", age_seconds(now, oldest),
            "For how long the oldest request waits that was not admitted yet; 0: none waits.");
  out.gauge("troupe_queue_requests", t.queue.num_waiting, "Requests in the queue.");
  out.gauge("troupe_queue_max_requests", t.limits.max_waiting_requests,
            "Requests that the queue holds; more are refused.");
  out.gauge("troupe_queue_tokens", as_double(t.queue.waiting_tokens),
            "Prompt tokens of the requests in the queue.");
  out.gauge("troupe_queue_max_tokens", as_double(t.limits.max_waiting_tokens),
            "Prompt tokens that the queue holds; more are refused.");
  out.gauge("troupe_max_num_seqs", t.limits.max_num_seqs, "Requests that may run at once.");
  out.gauge("troupe_pending_prompt_tokens",
            as_double(t.queue.waiting_tokens + t.step.pending_tokens),
            "Prompt tokens of waiting and running requests that are not computed yet.");
  out.gauge("troupe_kv_pages_used", t.pages.num_used, "KV pages held by requests.");
  out.gauge("troupe_kv_pages_cached", t.pages.num_cached,
            "KV pages kept for their prefix, free on demand.");
  out.gauge("troupe_kv_pages", t.pages.num_pages, "KV pages of the replica.");
  out.counter("troupe_steps_total", as_double(t.num_steps), "Steps that the executors ran.");
  out.histogram("troupe_step_seconds", t.step_time, "One step on the device.");
  out.text().family("troupe_requests_finished_total", kind::counter,
                    "Ended requests by the reason of their end.");
  for (std::size_t i = 0; i < t.num_finished.size(); ++i)
    out.text().sample(as_double(t.num_finished[i]),
                      {{"reason", std::string{to_string(static_cast<finish_reason>(i))}}});
}

void render_refusals(writer& out, const tally& t) {
  out.text().family("troupe_requests_refused_total", kind::counter,
                    "Requests that never entered the queue, by the reason of their refusal.");
  for (std::size_t i = 0; i < t.num_refused.size(); ++i)
    out.text().sample(as_double(t.num_refused[i]), {{"reason", std::string{refusal_names[i]}}});
}

constexpr std::array<std::pair<error_code, std::string_view>, 5> grammar_refusal_names{
    {{error_code::invalid_argument, "invalid"},
     {error_code::unsupported, "unsupported"},
     {error_code::too_large, "too_large"},
     {error_code::queue_full, "queue_full"},
     {error_code::constraint_failed, "failed"}}};

void render_grammar_store(writer& out, const tally& t) {
  auto& g = t.grammars;
  out.counter("troupe_grammar_cache_hits_total", as_double(g.num_hits),
              "Grammars asked for that were in the cache.");
  out.counter(
      "troupe_grammar_cache_misses_total", as_double(g.num_misses),
      "Grammars asked for that were not; who asks for one that is being compiled shares it.");
  out.gauge("troupe_grammar_cache_entries", as_double(g.num_entries),
            "Grammars and refusals in the cache.");
  out.gauge("troupe_grammar_cache_bytes", as_double(g.num_bytes),
            "What they take, measured when the last one came in.");
  out.gauge("troupe_grammar_waiting", g.num_waiting, "Sources that wait to be compiled.");
  out.gauge("troupe_grammar_lost_makers", g.num_lost_makers,
            "Threads that are past the limit with their source; others took their place.");
  out.histogram("troupe_grammar_compile_seconds", t.compile_time, "One grammar compiled.");
  out.text().family("troupe_grammar_refusals_total", kind::counter,
                    "Grammars that were refused, from the cache or not, by the reason.");
  for (auto& [code, word] : grammar_refusal_names) {
    auto found = g.num_refused.find(code);
    out.text().sample(found == g.num_refused.end() ? 0 : as_double(found->second),
                      {{"reason", std::string{word}}});
  }
}

void render_constraints(writer& out, const tally& t) {
  out.gauge("troupe_grammar_requests_running", t.step.num_constrained,
            "Running answers under a constraint.");
  out.histogram("troupe_grammar_mask_seconds", t.mask_time,
                "One token mask, with the tokens before it.");
  out.counter("troupe_grammar_late_masks_total", as_double(t.num_late_masks),
              "Masks waited for in vain: their rows sat out.");
  out.counter("troupe_grammar_forced_tokens_total", as_double(t.num_forced_tokens),
              "Tokens that a constraint left no choice of, fed without a step of their own.");
  out.counter("troupe_grammar_failures_total", as_double(t.num_failed_constraints),
              "Answers that failed because their constraint did.");
}

void render_parts(writer& out, const tally& t, steady_time now, std::size_t num_messages) {
  out.gauge("troupe_replica_ready", t.replica.ready ? 1 : 0,
            "1 while every part of the replica works.");
  out.counter("troupe_replica_restarts_total", t.replica.num_restarts,
              "Restarts after an executor failed.");
  out.gauge("troupe_ranks", t.replica.num_ranks, "Ranks that share the model's weights.");
  out.gauge("troupe_ranks_present", t.replica.num_ranks_present,
            "Of these, in processes that are here with their weights.");
  out.text().family("troupe_executor_heartbeat_age_seconds", kind::gauge,
                    "Since the executor's last word; it speaks between two steps.");
  for (auto& part : t.replica.parts)
    if (part.rank)
      out.text().sample(age_seconds(now, part.last_beat), {{"rank", std::to_string(*part.rank)}});
  out.text().family("troupe_mailbox_messages", kind::gauge,
                    "Messages that an actor had before it when it spoke last.");
  auto depth = [&](std::string actor, std::size_t value, std::string rank = {}) {
    metric_labels labels{{"actor", std::move(actor)}};
    if (!rank.empty()) labels.emplace_back("rank", std::move(rank));
    out.text().sample(as_double(value), labels);
  };
  depth("meter", num_messages);
  depth("replica", t.replica.num_messages);
  for (auto& part : t.replica.parts)
    depth(part.actor, part.last.num_messages, part.rank ? std::to_string(*part.rank) : "");
}

void render_front(writer& out, const tally& t) {
  out.gauge("troupe_http_connections", t.front.connections, "Connections that are open.");
  out.gauge("troupe_http_streams", t.front.streams, "Answers under way as server-sent events.");
  out.gauge("troupe_websocket_connections", t.front.websockets, "WebSocket connections.");
  out.text().family("http_requests_total", kind::counter,
                    "HTTP requests by route, method and status; 499: the client left, 0: nothing "
                    "was answered.");
  for (auto& [key, count] : t.http) {
    auto& [route, method, status] = key;
    out.text().sample(as_double(count),
                      {{"handler", route}, {"method", method}, {"status", std::to_string(status)}});
  }
  out.text().family("http_request_duration_seconds", kind::histogram,
                    "First byte of a request to the end of its answer.");
  for (auto& [route, times] : t.http_time) out.text().sample(times, {{"handler", route}});
  out.text().family("troupe_log_lines_lost_total", kind::counter,
                    "Lines that a log could not take; the first one that it can says so, too.");
  out.text().sample(as_double(t.logs.num_lost), {{"log", "server"}});
  out.text().sample(as_double(t.logs.num_lost_access), {{"log", "access"}});
  out.gauge("troupe_load_test_running", t.load_test.is_running ? 1 : 0,
            "1 while a load test runs that was started here: these are not users.");
  auto usage = read_process_usage();
  out.counter("process_cpu_seconds_total", usage.cpu_seconds, "User and system CPU time.");
  out.gauge("process_resident_memory_bytes", as_double(usage.resident_bytes),
            "Resident memory size.");
  out.gauge("process_virtual_memory_bytes", as_double(usage.virtual_bytes), "Virtual memory size.");
  out.gauge("process_open_fds", as_double(usage.num_open_files), "Open file descriptors.");
  out.gauge("process_max_fds", as_double(usage.max_open_files), "Most file descriptors allowed.");
  out.gauge("process_start_time_seconds", usage.start_time, "Start of the process since 1970.");
}

void render_memory(writer& out, const overload_observed& o) {
  if (o.limit_bytes == 0) return;  // nobody watches
  auto& text = out.text();
  text.family(
      "troupe_memory_held_bytes", kind::gauge,
      "Memory that this process holds; weights, activations and kv_pages as planned, other: "
      "what is measured beyond all that has an account.");
  const std::pair<std::string_view, std::uint64_t> parts[]{
      {"weights", o.held.weights},   {"activations", o.held.activations},
      {"kv_pages", o.held.kv_pages}, {"bodies", o.held.bodies},
      {"streams", o.held.streams},   {"responses", o.held.responses},
      {"grammars", o.held.grammars}, {"other", o.held.other()}};
  for (auto& [part, bytes] : parts) text.sample(as_double(bytes), {{"part", std::string(part)}});
  out.gauge("troupe_memory_limit_bytes", as_double(o.limit_bytes),
            "What it may hold: --memory-limit.");
  out.gauge("troupe_overload_level", static_cast<double>(o.level),
            "0: none, 1: answers end their connections, 2: new work is refused, 3: accepting "
            "pauses.");
  text.family("troupe_overload_entered_total", kind::counter, "Times that a level was reached.");
  for (std::size_t i = 1; i < num_overload_levels; ++i)
    text.sample(as_double(o.num_entered[i]),
                {{"level", std::string(to_string(static_cast<overload_level>(i)))}});
  out.counter("troupe_overload_closed_connections_total", as_double(o.num_closed),
              "Connections that would have gone on after an answer.");
}

constexpr std::array<std::string_view, num_replica_states> state_names{
    "starting", "ready", "standby", "draining", "failed"};

void render_fleet(writer& out, const fleet_observed& f) {
  auto& text = out.text();
  text.family("troupe_replicas", kind::gauge, "Processes that run the model, by what they do.");
  for (std::size_t state = 0; state < num_replica_states; ++state) {
    auto count = std::ranges::count_if(
        f.replicas, [&](auto& r) { return static_cast<std::size_t>(r.state) == state; });
    text.sample(static_cast<double>(count), {{"state", std::string(state_names[state])}});
  }
  text.family("troupe_replica_load", kind::gauge, "Of one replica: see troupe_load.");
  for (auto& r : f.replicas) text.sample(r.load, {{"replica", std::to_string(r.name)}});
  text.family("troupe_replica_requests", kind::gauge, "Requests that one replica has.");
  for (auto& r : f.replicas) text.sample(r.num_requests, {{"replica", std::to_string(r.name)}});
  out.gauge("troupe_replicas_min", f.min_replicas, "The fewest replicas that there may be now.");
  out.gauge("troupe_replicas_max", f.max_replicas, "The most replicas that there may be now.");
  out.gauge("troupe_stranded_requests", f.num_stranded,
            "Requests that left the queue and that no replica has room for.");
  out.counter("troupe_resumed_requests_total", as_double(f.num_resumed),
              "Times that a request was taken from a lost replica and given to another.");
  text.family("troupe_scaling_decisions_total", kind::counter,
              "Changes of the number of replicas that the load asked for.");
  text.sample(as_double(f.num_out), {{"direction", "out"}});
  text.sample(as_double(f.num_in), {{"direction", "in"}});
}

}  // namespace

std::string to_text(const tally& t, steady_time now, std::size_t num_messages) {
  writer engine({{"model_name", t.model_name}, {"engine", "0"}});
  render_vllm_gauges(engine, t);
  render_vllm_counters(engine, t);
  render_vllm_histograms(engine, t);
  render_engine(engine, t, now);
  render_refusals(engine, t);
  render_grammar_store(engine, t);
  render_constraints(engine, t);
  render_parts(engine, t, now, num_messages);
  if (t.fleet) render_fleet(engine, *t.fleet);
  writer house({});
  render_front(house, t);
  render_memory(house, t.overload);
  return engine.text().take() + house.text().take();
}

}  // namespace troupe
