// Two runs of the same plan: what changed from A to B, and whether chance explains it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"
#include "load/bootstrap.hpp"
#include "load/run_record.hpp"
#include "load/slo.hpp"

namespace troupe::load {

// "ttft_p99=5%,e2e_mean=10%": how much worse a figure may be. Names are those of an SLO; of times
// and rates it is a share of what A has, of shares (success, ...) a difference.
struct allowed_change {
  slo_clause what;  // which figure
  std::string name;
  double most = 0;  // 0.05
};
outcome<std::vector<allowed_change>> parse_allowed_changes(std::string_view text);

// A run with its ledger, where there is one.
struct compared_run {
  run_record run;
  std::vector<request_record> ledger;
};
// Successes alone and what a comparison needs of them. A failure names the line.
outcome<std::vector<request_record>> read_ledger(const std::filesystem::path& path);

enum class change_verdict : std::uint8_t {
  same,        // chance may explain it
  better,      // chance does not
  worse,       // chance does not
  regression,  // worse, and by more than is allowed
  unclear,     // by more than is allowed, but chance may explain it
};
std::string_view to_string(change_verdict verdict);

struct compared_figure {
  std::string name;  // "ttft_p99"
  slo_clause what;
  double a = 0, b = 0;         // seconds, shares, rates
  double change = 0;           // (b - a) / a; of shares b - a
  interval by_chance;          // 95 % of the change; NaN: there are too few values
  std::optional<double> most;  // allowed
  change_verdict verdict = change_verdict::same;

  bool is_share() const;
  bool is_time() const;
  bool less_is_better() const;
  double worsening() const { return less_is_better() ? change : -change; }
};

struct comparison {
  std::vector<compared_figure> figures;
  std::vector<std::string> differences;  // of what the two were made of; no obstacle
  bool has_ledgers = false;              // intervals of requests' times are of blocks of seconds
  bool is_regression() const;
};

// Why the two are not comparable, in words: another plan, API, load, other prompts. Empty: they
// are.
std::vector<std::string> obstacles(const run_record& a, const run_record& b);
comparison compare(const compared_run& a, const compared_run& b,
                   const std::vector<allowed_change>& allowed, std::uint64_t seed);

// "ttft_p99 went from 120 ms to 180 ms: +50 % (95 % interval +41 % to +60 %), 5 % are allowed."
std::string in_words(const compared_figure& figure);
std::string value_text(const compared_figure& figure, double value);
std::string change_text(const compared_figure& figure, double change);
std::string interval_text(const compared_figure& figure);

// For the console.
std::string comparison_table(const comparison& all);

}  // namespace troupe::load
