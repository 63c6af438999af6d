#include "load/server_watch.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "load/values.hpp"
#include "text/json.hpp"

namespace troupe::load {
namespace {

using std::chrono::steady_clock;
constexpr auto patience = std::chrono::seconds(2);
constexpr auto oldest_sample = std::chrono::seconds(3);

// The sum of a metric's samples; those of a family may be chosen by a label.
std::optional<double> sum_of(std::string_view text, std::string_view name,
                             std::string_view label = {}) {
  std::optional<double> out;
  for (auto line : split(text, '\n')) {
    if (!line.starts_with(name)) continue;
    auto rest = line.substr(name.size());
    if (!rest.starts_with('{') && !rest.starts_with(' ')) continue;
    if (!label.empty() && rest.find(label) == rest.npos) continue;
    auto blank = rest.rfind(' ');
    if (auto value = parse_number(rest.substr(blank + 1))) out = out.value_or(0) + *value;
  }
  return out;
}

std::string text_of(const json_value* from, std::string_view name) {
  const auto* found = from == nullptr ? nullptr : from->find(name);
  const auto* text = found == nullptr ? nullptr : found->as_string();
  return text == nullptr ? std::string{} : *text;
}

std::string first_model(const std::string& json_text) {
  auto json = parse_json(json_text);
  if (!json) return "";
  const auto* data = json->find("data");
  const auto* all = data == nullptr ? nullptr : data->as_array();
  return all == nullptr || all->empty() ? "" : text_of(&all->front(), "id");
}

std::string line_of(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key)) {
      auto begin = line.find_first_not_of(" \t:", line.find(':'));
      return begin == line.npos ? "" : line.substr(begin);
    }
  return "";
}

}  // namespace

server_sample parse_metrics(std::string_view text) {
  server_sample out;
  out.kv_use = sum_of(text, "vllm:kv_cache_usage_perc").value_or(-1);
  out.waiting = sum_of(text, "vllm:num_requests_waiting").value_or(-1);
  out.running = sum_of(text, "vllm:num_requests_running").value_or(-1);
  auto serving = sum_of(text, "troupe_replicas", "state=\"ready\"");
  if (!serving) serving = sum_of(text, "troupe_replica_ready");
  out.replicas = serving.value_or(-1);
  out.memory_bytes = sum_of(text, "process_resident_memory_bytes").value_or(-1);
  out.load = sum_of(text, "troupe_load").value_or(-1);
  return out;
}

outcome<std::string> fetch(const http_url& where, const client_options& options,
                           const std::string& target) {
  std::string body;
  unsigned status = 0;
  http_call call;
  call.target = target;
  call.deadline = steady_clock::now() + patience;
  auto answer = call_server(where, options, call, [&](const http_answer& head, auto piece) {
    status = head.status;
    body += piece;
    return true;
  });
  if (!answer) return std::move(answer).error();
  if (answer->status == 200) return body;
  return failure{error_code::not_found,
                 target + " is answered with " + std::to_string(answer->status), ""};
}

refusal introduce(const http_url& where, const client_options& options, environment& out) {
  auto version = fetch(where, options, "/version");
  if (!version && version.error().code != error_code::not_found) return version.error();
  auto info = fetch(where, options, "/server_info");
  if (info) {
    if (auto json = parse_json(*info)) {
      append_json(out.server_info, *json);
      auto number = text_of(&*json, "version");
      if (!number.empty()) out.server = "troupe " + number;
    }
  }
  if (version && out.server.empty()) {
    auto json = parse_json(*version);
    auto number = json ? text_of(&*json, "version") : std::string{};
    if (!number.empty()) out.server = "version " + number;
  }
  if (out.model.empty())
    if (auto models = fetch(where, options, "/v1/models")) out.model = first_model(*models);
  return nothing{};
}

std::string describe_machine() {
  utsname system{};
  uname(&system);
  auto kilobytes = line_of("/proc/meminfo", "MemTotal");
  std::ostringstream out;
  out << line_of("/proc/cpuinfo", "model name") << ", " << sysconf(_SC_NPROCESSORS_ONLN)
      << " cores, " << std::strtoull(kilobytes.c_str(), nullptr, 10) / (1U << 20U) << " GiB, "
      << system.sysname << ' ' << system.release << ' ' << system.machine;
  return out.str();
}

server_watch::server_watch(http_url where, client_options options)
    : where_(std::move(where)), options_(std::move(options)), thread_([this] { watch(); }) {}

server_watch::~server_watch() {
  is_over_ = true;
  thread_.join();
}

server_sample server_watch::newest() const {
  std::lock_guard guard(lock_);
  return steady_clock::now() - asked_at_ > oldest_sample ? server_sample{} : newest_;
}

void server_watch::watch() {
  auto next = steady_clock::now();
  while (!is_over_) {
    if (auto text = fetch(where_, options_, "/metrics")) {
      auto sample = parse_metrics(*text);
      std::lock_guard guard(lock_);
      newest_ = sample;
      asked_at_ = steady_clock::now();
    }
    next += std::chrono::seconds(1);
    while (!is_over_ && steady_clock::now() < next)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace troupe::load
