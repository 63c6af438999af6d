#include "cli/bench_flags.hpp"

#include <iostream>
#include <memory>
#include <sstream>

#include "cli/bench_reports.hpp"
#include "cli/flags.hpp"

namespace troupe {
namespace {

using load::plan_kind;

// A flag whose text `parse` makes a value of.
template <class Value, class Parse>
CLI::Option* add_parsed(CLI::App* app, const std::string& name, Value& value, Parse parse,
                        const std::string& help) {
  auto read = [&value, parse, name](const std::string& text) {
    auto parsed = parse(text);
    if (!parsed) throw CLI::ValidationError(name + ": " + parsed.error().message);
    value = *std::move(parsed);
  };
  return app->add_option_function<std::string>(name, read, help);
}

CLI::Option* add_duration(CLI::App* app, const std::string& name, double& seconds,
                          const std::string& shown, const std::string& help) {
  auto read = [&seconds, name](const std::string& text) {
    auto parsed = load::parse_seconds(text);
    if (!parsed || *parsed > 1e7)
      throw CLI::ValidationError(name + ": expected a time such as 30s or 10m: " + text);
    seconds = *parsed;
  };
  return app->add_option_function<std::string>(name, read, help)
      ->default_str(shown)
      ->type_name("TIME");
}

// CLI::Range lets NaN pass.
CLI::Validator number_from(double least, double most) {
  std::ostringstream bounds;
  bounds << "in [" << least << " - " << most << "]";
  return {[least, most, bounds = bounds.str()](std::string& text) {
            auto value = load::parse_number(text);
            bool is_fit = value && *value >= least && *value <= most;
            return is_fit ? std::string{} : "expected a number " + bounds + ": " + text;
          },
          bounds.str()};
}

void add_load_flags(CLI::App* app, bench_options& o) {
  const auto* group = "Load";
  app->add_option("--rate", o.plan.rate, "Open loop: requests per second, whatever is answered")
      ->check(number_from(0.001, 1e6))
      ->type_name("NUMBER")
      ->group(group);
  add_parsed(app, "--arrival", o.arrival, load::parse_arrival,
             "Of --rate: poisson, constant, or gamma:SHAPE (below 1: burstier than poisson)")
      ->default_str("poisson")
      ->type_name("ARRIVAL")
      ->group(group);
  app->add_option("--users", o.plan.users, "Closed loop: users who wait for each answer")
      ->check(CLI::Range(1U, 100'000U))
      ->group(group);
  app->add_option("--spawn", o.plan.spawn, "Users that come per second (default: all within one)")
      ->check(number_from(0.001, 1e6))
      ->type_name("NUMBER")
      ->group(group);
  add_parsed(app, "--think", o.think, load::parse_think_time,
             "How long users wait between an answer and the next request, as 2s or 1..3s")
      ->default_str("0s")
      ->type_name("TIME")
      ->group(group);
  app->add_option("--trace", o.trace_file,
                  "Arrivals and lengths of a file: Azure's CSV, BurstGPT's CSV, Mooncake's JSONL")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--speed", o.speed, "How many times faster than it was recorded")
      ->check(number_from(0.001, 1e6))
      ->type_name("NUMBER")
      ->capture_default_str()
      ->group(group);
  add_duration(app, "--duration", o.plan.duration, "1m", "Of --rate, --users, ramp; of soak: 20m")
      ->group(group);
  add_duration(app, "--warm-up", o.plan.warm_up, "0s", "The first load, before what counts")
      ->group(group);
  app->add_option("--max-requests", o.max_requests, "Ends the run (default: no bound)")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40U))
      ->group(group);
  add_time(app, "--drain-timeout", o.drain_timeout,
           "For the last answers of a stage; then they have failed")
      ->group(group);
  app->add_option("--seed", o.seed, "The same seed makes the same schedule and the same requests")
      ->capture_default_str()
      ->group(group);
  app->add_option("--workers", o.workers, "Threads that ask")
      ->check(CLI::Range(1U, 256U))
      ->capture_default_str()
      ->group(group);
}

void add_plan_flags(CLI::App* app, bench_options& o, std::string& plan) {
  const auto* group = "Plans";
  auto name = [&plan](const std::string& text) { plan = text; };
  app->add_option_function<std::string>(
         "--plan", name,
         "seed: users in steps up to the knee, and there for long; concurrency: a table of closed "
         "loops; spike: 1x, 8x, 1x; ramp: ten steps up; soak: ten equal parts; sweep: the greatest "
         "rate within --slo, by bisection")
      ->check(CLI::IsMember({"seed", "concurrency", "spike", "ramp", "soak", "sweep"}))
      ->group(group);
  add_duration(app, "--stage-duration", o.plan.stage_duration, "30s",
               "Of each stage of seed, concurrency, spike, sweep")
      ->group(group);
  add_duration(app, "--knee-duration", o.plan.knee_duration, "10m", "Of seed's last stage")
      ->group(group);
  app->add_option("--step-users", o.plan.step_users, "Of seed: more users in each step")
      ->check(CLI::Range(1U, 100'000U))
      ->capture_default_str()
      ->group(group);
  app->add_option("--max-users", o.plan.max_users, "Of seed: no step has more")
      ->check(CLI::Range(1U, 100'000U))
      ->capture_default_str()
      ->group(group);
  add_parsed(app, "--concurrency", o.plan.concurrency, load::parse_counts,
             "Of concurrency: requests at a time in each stage")
      ->default_str("1,2,4,..,64")
      ->type_name("LIST")
      ->group(group);
  app->add_option("--spike-factor", o.plan.spike_factor, "Of spike: times the load")
      ->check(number_from(0.01, 1000))
      ->type_name("NUMBER")
      ->capture_default_str()
      ->group(group);
  app->add_option("--max-rate", o.plan.max_rate, "Of sweep: the greatest rate to try")
      ->check(number_from(0.1, 1e6))
      ->type_name("NUMBER")
      ->capture_default_str()
      ->group(group);
  app->add_option("--precision", o.plan.precision,
                  "Of sweep: how near the bounds of its result are")
      ->check(number_from(0.001, 1))
      ->type_name("NUMBER")
      ->capture_default_str()
      ->group(group);
}

void add_request_flags(CLI::App* app, bench_options& o, bool& is_unstreamed) {
  const auto* group = "Requests";
  add_choice<load::api_kind>(app, "--api", o.form.api,
                             {{"chat", load::api_kind::chat},
                              {"completions", load::api_kind::completions},
                              {"generate", load::api_kind::generate}},
                             "OpenAI's chat completions or completions, or POST /generate")
      ->group(group);
  app->add_flag("--no-stream", is_unstreamed, "Ask for whole answers: there is no TTFT then")
      ->group(group);
  app->add_flag("--websocket", o.form.is_websocket, "Over GET /ws of Troupe; it always streams")
      ->group(group);
  app->add_option("--model", o.form.model, "Name of the model (default: the server's first)")
      ->group(group);
  app->add_option("--prompts", o.prompts_file,
                  "Prompts: JSON lines (a text, or prompt, text, messages; max_tokens), or "
                  "ShareGPT's JSON")
      ->type_name("FILE")
      ->group(group);
  add_parsed(app, "--prompt-words", o.prompts.words, load::parse_lengths,
             "Of prompts that are made, each word about a token: 128, 64..256, normal:200:50, "
             "lognormal:200:0.8, exponential:200")
      ->default_str("128")
      ->type_name("LENGTH")
      ->group(group);
  app->add_option("--prefix-words", o.prompts.prefix_words,
                  "Begin made prompts with a shared prefix")
      ->check(CLI::Range(1U, 1'000'000U))
      ->group(group);
  app->add_option("--prefixes", o.prompts.num_prefixes, "How many such prefixes there are")
      ->check(CLI::Range(1U, 10'000U))
      ->capture_default_str()
      ->group(group);
  app->add_option("--turns", o.prompts.turns,
                  "Of a conversation at most; each goes on from the answer before, after --think")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str()
      ->group(group);
  add_parsed(app, "--max-tokens", o.prompts.max_tokens, load::parse_lengths,
             "Of an answer, as --prompt-words (default: of the file, else the server's)")
      ->type_name("LENGTH")
      ->group(group);
  app->add_flag("--ignore-eos", o.form.ignore_eos, "Answers as long as --max-tokens says")
      ->group(group);
  auto set_temperature = [&o](double value) { o.form.temperature = value; };
  app->add_option_function<double>("--temperature", set_temperature,
                                   "0: the likeliest token (default: the server's)")
      ->check(number_from(0, 100))
      ->type_name("NUMBER")
      ->group(group);
  app->add_option("--schema", o.schema_file,
                  "JSON Schema that answers must follow, and are held to")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--extra-body", o.extra_body, "JSON object whose members every body gets")
      ->type_name("JSON")
      ->group(group);
}

void add_verdict_flags(CLI::App* app, bench_options& o) {
  const auto* group = "Verdict";
  add_parsed(
      app, "--slo", o.plan.slo, load::parse_slo,
      "Exit with 2 unless all hold, as success>=99%,e2e_mean<1s,e2e_p99<2s: ttft, itl, tpot, "
      "e2e, gap with _mean, _p50 .. _p99.9, _max; success, rejected, failed; rps, tokens, "
      "goodput")
      ->type_name("CLAUSES")
      ->group(group);
  add_parsed(app, "--goodput", o.goodput, load::parse_goodput,
             "Successes count as good within these, as ttft<500ms,tpot<50ms (default: all do)")
      ->type_name("CLAUSES")
      ->group(group);
  app->add_option("--verify", o.verify_every,
                  "Every so many requests one is a greedy canary, whose text must be the one that "
                  "came before the run; exit with 2 if one is not")
      ->check(CLI::Range(1U, 1'000'000U))
      ->group(group);
  add_time(app, "--max-send-lag", o.max_send_lag,
           "Exit with 4 if the p99 of how late requests were sent is more")
      ->group(group);
}

void add_output_flags(CLI::App* app, bench_options& o) {
  const auto* group = "Output";
  app->add_flag("--quiet", o.is_quiet, "The verdict alone")->group(group);
  app->add_flag("--json-lines", o.json_lines,
                "A line of JSON for each second, at last the whole report, instead of a table")
      ->group(group);
  app->add_option("--json", o.json_file, "The whole report")->type_name("FILE")->group(group);
  app->add_option("--html", o.html_file, "A page with charts, whole in one file")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--csv", o.csv_prefix,
                  "PREFIX_stats.csv, PREFIX_stats_history.csv, PREFIX_failures.csv, as Locust's")
      ->type_name("PREFIX")
      ->group(group);
  app->add_option("--ledger", o.ledger_file, "A line of JSON for each request")
      ->type_name("FILE")
      ->group(group);
}

void add_connection_flags(CLI::App* app, bench_options& o) {
  const auto* group = "Connection";
  app->add_option("--api-key", o.api_key, "Of the server (or TROUPE_API_KEY, or OPENAI_API_KEY)")
      ->group(group);
  app->add_option("--ca", o.ca_file, "Certificates to trust, PEM (default: the system's)")
      ->type_name("FILE")
      ->group(group);
  auto trust = [&o] { o.verify_certificate = false; };
  app->add_flag_callback("--insecure", trust, "Trust any certificate")->group(group);
  add_time(app, "--timeout", o.request_timeout, "For one request; then it has failed")
      ->group(group);
  app->add_option("--max-connections", o.max_connections,
                  "Of each worker at once; requests beyond wait, and are late")
      ->check(CLI::Range(1U, 100'000U))
      ->capture_default_str()
      ->group(group);
}

// Which plan the flags mean; throws where they contradict each other.
void choose_plan(bench_options& o, const std::string& name, bool has_duration) {
  static const std::map<std::string, plan_kind> names = {
      {"seed", plan_kind::seed},   {"concurrency", plan_kind::concurrency},
      {"spike", plan_kind::spike}, {"ramp", plan_kind::ramp},
      {"soak", plan_kind::soak},   {"sweep", plan_kind::sweep}};
  auto& plan = o.plan;
  bool has_rate = plan.rate > 0, has_users = plan.users > 0, has_trace = !o.trace_file.empty();
  if (has_rate + has_users + has_trace > 1)
    throw CLI::ValidationError("--rate, --users and --trace exclude each other");
  if (has_trace && !name.empty())
    throw CLI::ValidationError("--trace and --plan exclude each other");
  if (name.empty()) {
    if (!has_rate && !has_users && !has_trace)
      throw CLI::ValidationError("expected --rate, --users, --trace or --plan");
    plan.kind = has_trace ? plan_kind::trace : has_rate ? plan_kind::rate : plan_kind::users;
    return;
  }
  plan.kind = names.at(name);
  bool is_either = name == "spike" || name == "ramp" || name == "soak";
  if (is_either && !has_rate && !has_users)
    throw CLI::ValidationError("--plan " + name + " needs --rate or --users");
  if ((name == "seed" || name == "concurrency") && has_rate)
    throw CLI::ValidationError("--plan " + name + " has users, no --rate");
  if ((name == "sweep" || name == "concurrency") && has_users)
    throw CLI::ValidationError("--plan " + name + " has no --users");
  if (name == "seed" && !has_users) plan.users = 50;
  if (name == "concurrency" && plan.concurrency.empty())
    plan.concurrency = {1, 2, 4, 8, 16, 32, 64};
  if (name == "soak" && !has_duration) plan.duration = 20 * 60;
}

// What the flags are read into, and what is still to be settled behind them.
struct bench_flags {
  bench_options options;
  std::string plan;
  bool is_unstreamed = false;
};

void add_flags(CLI::App* command, bench_flags& to) {
  command->add_option("url", to.options.url, "Of the server")
      ->type_name("URL")
      ->capture_default_str();
  add_load_flags(command, to.options);
  add_plan_flags(command, to.options, to.plan);
  add_request_flags(command, to.options, to.is_unstreamed);
  add_verdict_flags(command, to.options);
  add_output_flags(command, to.options);
  add_connection_flags(command, to.options);
}

void settle(const CLI::App& command, bench_flags& flags) {
  choose_plan(flags.options, flags.plan, command.count("--duration") > 0);
  auto& form = flags.options.form;
  form.is_stream = !flags.is_unstreamed || form.is_websocket;
}

outcome<bench_options> parse(const std::vector<std::string>& flags, bool must_settle) {
  CLI::App app;
  bench_flags found;
  add_flags(&app, found);
  std::vector<const char*> words{"troupe bench"};
  for (auto& flag : flags) words.push_back(flag.c_str());
  try {
    app.parse(static_cast<int>(words.size()), words.data());
    if (must_settle) settle(app, found);
  } catch (const CLI::ParseError& error) {
    return failure{.message = error.what()};
  }
  return found.options;
}

}  // namespace

outcome<bench_options> parse_bench_flags(const std::vector<std::string>& flags) {
  return parse(flags, false);
}

outcome<bench_options> parse_bench(const std::vector<std::string>& flags) {
  return parse(flags, true);
}

void add_bench(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "bench", "Ask a server as many users would, and tell how it kept up: docs/bench.md");
  command->footer(
      "Exit status: 0 passed; 1 wrong flags, or nobody answers; 2 --slo is missed, no request\n"
      "succeeded, or an answer was wrong (--verify, --schema); 4 the generator was too slow for\n"
      "its own schedule.");
  auto flags = std::make_shared<bench_flags>();
  add_flags(command, *flags);
  add_bench_reports(*command, status);
  command->callback([command, flags, &status] {
    // A subcommand of its own was meant.
    if (!command->get_subcommands().empty()) return;
    settle(*command, *flags);
    status = run_bench(flags->options);
  });
}

}  // namespace troupe
