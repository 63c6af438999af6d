#include "cli/bench.hpp"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/api_key.hpp"
#include "cli/bench_view.hpp"
#include "load/console_table.hpp"
#include "load/generator.hpp"
#include "load/html_report.hpp"
#include "load/reference.hpp"
#include "load/report_csv.hpp"
#include "load/report_json.hpp"
#include "load/schema_check.hpp"
#include "load/server_watch.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

using load::plan_kind;

constexpr std::uint32_t num_canaries = 4;

// Whom the signal's handler tells; there is one run in a process.
std::atomic<load::generator*> interrupted_by_signal{nullptr};
static_assert(std::atomic<load::generator*>::is_always_lock_free);

void on_interrupt(int) {
  if (auto* run = interrupted_by_signal.load()) run->interrupt();
}

// The first SIGINT or SIGTERM ends the run with its report, a second one the process.
class interruption {
 public:
  explicit interruption(load::generator& run) {
    interrupted_by_signal = &run;
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
  }
  ~interruption() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    interrupted_by_signal = nullptr;
  }
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;
};

int refuse(const std::string& why) {
  std::cerr << "troupe: " << why << '\n';
  return 1;
}

// Every connection is a file.
void allow_many_files() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

std::string time_in_words() {
  auto now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

// As it was typed, but for the key.
std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string out;
  bool hides_next = false;
  for (std::string word; std::getline(file, word, '\0');) {
    if (hides_next) word = "...";
    hides_next = word == "--api-key";
    if (word.starts_with("--api-key=")) word = "--api-key=...";
    bool is_plain = word.find_first_of(" \t\"'<>&|;*?()$\\") == word.npos && !word.empty();
    if (!out.empty()) out += ' ';
    if (!is_plain) word.insert(0, 1, '\'').append("'");
    out += word;
  }
  return repair_utf8(out);
}

const char* name_of(plan_kind kind) {
  switch (kind) {
    case plan_kind::rate: return "rate";
    case plan_kind::users: return "users";
    case plan_kind::trace: return "trace";
    case plan_kind::seed: return "seed";
    case plan_kind::concurrency: return "concurrency";
    case plan_kind::spike: return "spike";
    case plan_kind::ramp: return "ramp";
    case plan_kind::soak: return "soak";
    case plan_kind::sweep: return "sweep";
  }
  return "";
}

bool is_open(const load::plan_options& plan) {
  return plan.kind == plan_kind::trace || plan.kind == plan_kind::sweep || plan.rate > 0;
}

// A run and what it is made of, from the options to its exit status.
class bench_run {
 public:
  explicit bench_run(const bench_options& options) : options_(options) {}

  int run() {
    allow_many_files();
    if (auto ready = find_server(); !ready) return refuse(ready.error().message);
    if (auto ready = find_prompts(); !ready) return refuse(ready.error().message);
    if (auto ready = find_checks(); !ready) return refuse(ready.error().message);
    if (auto ready = open_ledger(); !ready) return refuse(ready.error().message);
    ask();
    return report();
  }

 private:
  refusal find_server() {
    auto where = parse_url(options_.url);
    if (!where) return where.error();
    // The routes' own version may stand at the end of a base URL.
    if (where->path.ends_with("/v1")) where->path.resize(where->path.size() - 3);
    auto key = find_api_key(options_.api_key);
    if (!key) return key.error();
    client_.bearer_token = *key;
    client_.ca_file = options_.ca_file;
    client_.verify_certificate = options_.verify_certificate;
    auto& about = out_.where;
    about.model = options_.form.model;
    if (auto known = load::introduce(*where, client_, about); !known) return known.error();
    auto found = load::find_target({.where = *where,
                                    .is_websocket = options_.form.is_websocket,
                                    .verify_certificate = options_.verify_certificate,
                                    .ca_file = options_.ca_file,
                                    .bearer_token = *key});
    if (!found) return found.error();
    setup_.to = *std::move(found);
    setup_.form = options_.form;
    setup_.form.model = about.model;
    about.url = options_.url;
    about.api = to_string(options_.form.api);
    about.is_stream = options_.form.is_stream;
    about.client = "troupe " TROUPE_VERSION;
    about.machine = load::describe_machine();
    about.command_line = command_line();
    about.plan = name_of(options_.plan.kind);
    if (is_open(options_.plan) && options_.plan.kind != plan_kind::trace)
      about.arrival = to_string(options_.arrival);
    about.seed = options_.seed;
    about.workers = options_.workers;
    return nothing{};
  }

  refusal find_prompts() {
    auto wanted = options_.prompts;
    wanted.seed = options_.seed;
    if (!options_.trace_file.empty()) {
      auto rows = load::read_trace(options_.trace_file);
      if (!rows) return rows.error();
      trace_ = *std::move(rows);
    }
    if (!options_.prompts_file.empty()) {
      auto prompts = load::read_prompts(options_.prompts_file, wanted);
      if (!prompts) return prompts.error();
      setup_.prompts = *std::move(prompts);
    } else if (!trace_.empty()) {
      setup_.prompts = load::make_trace_prompts(trace_, wanted);
    } else {
      setup_.prompts = load::make_synthetic_prompts(wanted);
    }
    out_.where.prompts = setup_.prompts->describe();
    return nothing{};
  }

  refusal find_checks() {
    load::verifier::schema_check check;
    if (!options_.schema_file.empty()) {
      auto schema = read_json_file(options_.schema_file);
      if (!schema) return schema.error();
      auto made = load::make_schema_check(*schema);
      if (!made) return made.error();
      check = *std::move(made);
      append_json(setup_.form.schema, *schema);
    }
    if (!options_.extra_body.empty()) {
      auto json = parse_json(options_.extra_body);
      if (!json || json->as_object() == nullptr)
        return failure{error_code::invalid_argument, "--extra-body: expected a JSON object", ""};
      append_json(setup_.form.extra, *json);
      setup_.form.extra = setup_.form.extra.substr(1, setup_.form.extra.size() - 2);
    }
    std::vector<load::canary> canaries;
    if (options_.verify_every > 0) {
      auto asked = load::ask_canaries(setup_, num_canaries);
      if (!asked) return asked.error();
      canaries = *std::move(asked);
      out_.reference_requests = num_canaries;
    }
    if (check || !canaries.empty()) checker_.emplace(std::move(canaries), std::move(check));
    return nothing{};
  }

  refusal open_ledger() {
    if (options_.ledger_file.empty()) return nothing{};
    ledger_.open(options_.ledger_file, std::ios::binary);
    if (ledger_.good()) return nothing{};
    return failure{error_code::io_error, "cannot write " + options_.ledger_file, "ledger"};
  }

  void ask() {
    setup_.limits = options_.goodput;
    setup_.checker = checker_ ? &*checker_ : nullptr;
    setup_.verify_every = options_.verify_every;
    setup_.seed = options_.seed;
    setup_.think = options_.think;
    setup_.request_timeout = std::chrono::duration<double>(options_.request_timeout).count();
    setup_.max_connections = options_.max_connections;
    setup_.keeps_ledger = ledger_.is_open();
    auto wanted = options_.plan;
    if (!trace_.empty()) wanted.duration = trace_.back().time / options_.speed;
    load::generator_options how;
    how.num_workers = options_.workers;
    how.arrival = options_.arrival;
    how.trace = &trace_;
    how.speed = options_.speed;
    how.max_requests = options_.max_requests;
    how.drain_timeout = std::chrono::duration<double>(options_.drain_timeout).count();
    how.slo = options_.plan.slo;
    how.max_lag = std::chrono::duration<double>(options_.max_send_lag).count();
    how.ledger = ledger_.is_open() ? &ledger_ : nullptr;
    warn_of_what_is_hidden();
    load::server_watch watch(setup_.to.options.where, client_);
    auto plan = load::make_plan(wanted);
    out_.where.started_at = time_in_words();
    bool is_live = !options_.is_quiet && !options_.json_lines && isatty(STDOUT_FILENO) == 1;
    bench_view view(std::cout, "troupe bench " + options_.url, width());
    load::generator run(setup_, how, &watch,
                        [&](const load::second_point& point, const std::string& stage) {
                          if (is_live) view.show(point, stage);
                          if (options_.json_lines) print_line(point);
                        });
    {
      interruption by_signal(run);
      run.run(*plan, out_);
    }
    view.close();
    if (out_.overall.totals.succeeded > 0 && out_.overall.totals.output_tokens == 0)
      out_.warnings.push_back("no answer said how many tokens it has: there are no token rates");
    if (out_.overall.totals.failures.contains("unanswered"))
      out_.warnings.push_back(
          "requests that --drain-timeout ended are in no percentile: the slowest answers are "
          "missing");
  }

  void warn_of_what_is_hidden() {
    if (is_open(options_.plan)) return;
    std::string text =
        "users wait for answers before they ask again, so a server that stalls is asked less "
        "while it does (coordinated omission): these latencies are not those of independent "
        "clients; --rate shows them";
    if (!options_.json_lines) std::cerr << "troupe: warning: " << text << '\n';
    out_.warnings.push_back(std::move(text));
  }

  static std::size_t width() {
    winsize size{};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  static void print_line(const load::second_point& point) {
    std::string line;
    load::append_second_json(line, point);
    std::cout << line << '\n' << std::flush;
  }

  int report() {
    int status = load::exit_status(out_.verdict);
    std::string json;
    load::append_report_json(json, out_);
    if (options_.json_lines) {
      std::cout << json << std::flush;
    } else if (options_.is_quiet) {
      std::cout << to_string(out_.verdict) << std::endl;
    } else {
      std::cout << load::console_table(out_) << std::flush;
    }
    if (!options_.json_file.empty()) {
      std::ofstream file(options_.json_file, std::ios::binary);
      file << json << std::flush;
      if (!file.good()) status = refuse("cannot write " + options_.json_file);
    }
    if (!options_.html_file.empty())
      if (auto written = load::write_html_report(options_.html_file, out_); !written)
        status = refuse(written.error().message);
    if (!options_.csv_prefix.empty())
      if (auto written = load::write_csv(options_.csv_prefix, out_); !written)
        status = refuse(written.error().message);
    if (ledger_.is_open() && !ledger_.flush().good())
      status = refuse("cannot write " + options_.ledger_file);
    return status;
  }

  const bench_options& options_;
  client_options client_;
  load::load_setup setup_;
  std::vector<load::trace_row> trace_;
  std::optional<load::verifier> checker_;
  std::ofstream ledger_;
  load::run_record out_;
};

}  // namespace

int run_bench(const bench_options& options) { return bench_run(options).run(); }

}  // namespace troupe
