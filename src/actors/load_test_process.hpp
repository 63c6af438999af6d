// The process of a load test, as the actor that started it sees it.
#pragma once
#include "core/load_test_book.hpp"
#include "core/outcome.hpp"

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// Whoever drops it kills the process.
class load_test_process {
 public:
  virtual ~load_test_process() = default;
  // What it has written since the last time; never waits.
  virtual std::string read_output() = 0;
  virtual std::string read_errors() = 0;
  // How it ended; nothing while it runs.
  virtual std::optional<load_test_end> find_end() = 0;
  virtual void interrupt() = 0;
  virtual void kill() = 0;
};

struct load_test_orders {
  std::string address;                 // of the server that is asked: "http://127.0.0.1:8080"
  std::vector<std::string> arguments;  // flags of `troupe bench`, each with its value
  std::string api_key;                 // that it shows; empty: none
  std::filesystem::path folder;        // for its reports
};
using load_test_launcher =
    std::function<outcome<std::unique_ptr<load_test_process>>(const load_test_orders&)>;

// Runs `troupe bench` of this program; it is killed when this process ends, however that happens.
// The key travels in its environment.
outcome<std::unique_ptr<load_test_process>> launch_load_test(const load_test_orders& orders);

// What it leaves in its folder.
struct load_test_file {
  std::string_view name;   // as clients ask for it
  std::string_view place;  // in the folder
};
inline constexpr std::array<load_test_file, 6> load_test_files{
    {{"report.html", "report.html"},
     {"report.json", "report.json"},
     {"report.csv", "report_stats.csv"},
     {"history.csv", "report_stats_history.csv"},
     {"failures.csv", "report_failures.csv"},
     {"ledger.jsonl", "ledger.jsonl"}}};

}  // namespace troupe
