#include "cli/load_test_fields.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/bench_flags.hpp"
#include "net/body_fields.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_text_bytes = 256;
constexpr std::uint64_t max_requests = 100'000;  // the ledger has a line for each
constexpr double max_seconds = 3600;             // of one part of a run
constexpr double max_rate = 10'000;
constexpr std::uint32_t max_users = 1000;

constexpr std::array valued{
    "plan",          "rate",         "users",      "arrival",      "spawn",
    "think",         "duration",     "warm_up",    "max_requests", "drain_timeout",
    "seed",          "concurrency",  "step_users", "max_users",    "stage_duration",
    "knee_duration", "spike_factor", "max_rate",   "precision",    "api",
    "prompt_words",  "prefix_words", "prefixes",   "turns",        "max_tokens",
    "temperature",   "slo",          "goodput",    "verify",       "max_send_lag",
    "timeout"};

// `is_given_by`: the value that makes the flag appear.
struct switch_field {
  const char* name;
  const char* flag;
  bool is_given_by;
};
constexpr std::array<switch_field, 3> switches{{{"stream", "--no-stream", false},
                                                {"websocket", "--websocket", true},
                                                {"ignore_eos", "--ignore-eos", true}}};

std::string flag_of(std::string_view field) {
  std::string flag = "--";
  for (char c : field) flag += c == '_' ? '-' : c;
  return flag;
}

outcome<std::string> word_of(const json_value& value, const std::string& field) {
  std::string word;
  if (auto* text = value.as_string())
    word = *text;
  else if (value.is_number())
    append_json(word, value);
  else
    return failure{
        .message = field + " must be a number or a string, not " + std::string(value.type_name()),
        .field = field};
  auto is_control = [](unsigned char c) { return c < ' '; };
  if (word.empty() || word.size() > max_text_bytes || std::ranges::any_of(word, is_control))
    return failure{.message = field + " must have 1 to 256 bytes and no control characters",
                   .field = field};
  return word;
}

// What the flags' own parser said, in words of fields.
failure in_fields(failure why, const std::string& field) {
  auto flag = flag_of(field);
  if (auto at = why.message.find(flag); at != std::string::npos)
    why.message.replace(at, flag.size(), field);
  else
    why.message = field + ": " + why.message;
  why.field = field;
  return why;
}

struct bound {
  const char* field;
  double found, most;
  const char* unit = "";
};

// Beyond what the flags may be: a page must not fill the disk or keep the server busy for a day.
std::optional<failure> find_excess(const bench_options& o) {
  auto& plan = o.plan;
  auto seconds = [](std::chrono::milliseconds time) {
    return std::chrono::duration<double>(time).count();
  };
  auto most_at_once = plan.concurrency.empty() ? 0U : *std::ranges::max_element(plan.concurrency);
  const bound bounds[]{{"duration", plan.duration, max_seconds, " seconds"},
                       {"warm_up", plan.warm_up, max_seconds, " seconds"},
                       {"stage_duration", plan.stage_duration, max_seconds, " seconds"},
                       {"knee_duration", plan.knee_duration, max_seconds, " seconds"},
                       {"drain_timeout", seconds(o.drain_timeout), 300, " seconds"},
                       {"timeout", seconds(o.request_timeout), 600, " seconds"},
                       {"think", o.think.most, max_seconds, " seconds"},
                       {"rate", plan.rate, max_rate},
                       {"max_rate", plan.max_rate, max_rate},
                       {"users", static_cast<double>(plan.users), max_users},
                       {"max_users", static_cast<double>(plan.max_users), max_users},
                       {"concurrency", static_cast<double>(most_at_once), max_users},
                       {"max_requests", static_cast<double>(o.max_requests), max_requests}};
  for (auto& [field, found, most, unit] : bounds)
    if (found > most)
      return failure{.message = std::string(field) + " may be " +
                                std::to_string(static_cast<std::uint64_t>(most)) + unit +
                                " at most here",
                     .field = field};
  return std::nullopt;
}

// Known before the plan is looked at, in words of fields.
std::optional<failure> find_contradiction(const body_fields& fields) {
  if (fields.has("rate") && fields.has("users"))
    return failure{.message = "rate and users exclude each other", .field = "users"};
  if (!fields.has("rate") && !fields.has("users") && !fields.has("plan"))
    return failure{.message = "rate, users or plan is needed", .field = "plan"};
  return std::nullopt;
}

refusal read_values(body_fields& fields, std::vector<std::string>& flags) {
  for (const std::string field : valued) {
    auto* value = fields.raw(field);
    if (value == nullptr) continue;
    auto word = word_of(*value, field);
    if (!word) return word.error();
    auto flag = flag_of(field) + "=" + *word;
    auto alone = parse_bench_flags({flag});
    if (!alone) return in_fields(alone.error(), field);
    if (auto excess = find_excess(*alone)) return *excess;
    flags.push_back(std::move(flag));
  }
  return nothing{};
}

}  // namespace

outcome<std::vector<std::string>> read_load_test(const json_value& body) {
  body_fields fields(body);
  std::vector<std::string> flags;
  if (auto read = read_values(fields, flags); !read) return read.error();
  for (auto& [name, flag, is_given_by] : switches)
    if (fields.flag(name, !is_given_by) == is_given_by) flags.emplace_back(flag);
  if (auto read = fields.finish(); !read) return read.error();
  if (auto wrong = find_contradiction(fields)) return *wrong;
  if (!fields.has("max_requests"))
    flags.push_back("--max-requests=" + std::to_string(max_requests));
  if (auto all = parse_bench(flags); !all) return in_fields(all.error(), "plan");
  return flags;
}

}  // namespace troupe
