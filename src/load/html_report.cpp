#include "load/html_report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <initializer_list>

#include "load/html_page.hpp"
#include "load/report_charts.hpp"
#include "text/utf8.hpp"

namespace troupe::load {
namespace {

// Of texts that a server or a command line may make as long as it likes.
constexpr std::size_t max_text_bytes = 4000, max_info_bytes = 16'000, max_rows = 40;

std::string shortened(const std::string& text, std::size_t most = max_text_bytes) {
  return text.size() <= most ? text : std::string(utf8_head(text, most)) + " …";
}

std::string count(std::uint64_t value) {
  return unit_text(unit::count, static_cast<double>(value));
}
std::string rate(double value) { return unit_text(unit::count, value); }

std::string time_of(const latency_histogram& times, double q) {
  return times.count() == 0 ? "–" : unit_text(unit::seconds, times.quantile(q));
}

std::string figure_of(const slo_verdict& one, double value) {
  auto is = [&](std::string_view name) { return one.clause.starts_with(name); };
  if (is("success") || is("rejected") || is("failed")) return unit_text(unit::share, value);
  if (is("rps") || is("tokens") || is("goodput")) return unit_text(unit::count, value) + "/s";
  // No time at all is none that was measured.
  return value > 0 ? unit_text(unit::seconds, value) : "none";
}

// Breaks between its parts only.
std::string note_of(std::initializer_list<std::string> parts) {
  std::string out;
  for (auto& part : parts) {
    if (!out.empty()) out += " · ";
    for (char c : part) out += c == ' ' ? std::string("\u00A0") : std::string(1, c);
  }
  return out;
}

struct words_of_verdict {
  const char* kind;
  const char* text;
};

words_of_verdict words_of(const run_record& run) {
  switch (run.verdict) {
    case run_verdict::passed: break;
    case run_verdict::slo_missed: return {"bad", "Limits missed"};
    case run_verdict::generator_overloaded: return {"fair", "Generator overloaded"};
    case run_verdict::target_down: return {"bad", "Target down"};
  }
  return {"good", run.slo.empty() ? "Done, no limits set" : "Limits kept"};
}

// The run in one sentence.
std::string lead(const run_record& run) {
  auto& all = run.overall;
  std::string out = rate(all.request_throughput()) + " requests per second were answered over " +
                    unit_text(unit::seconds, all.seconds());
  if (all.kind == load_kind::closed && all.users > 0)
    out += ", asked by " + count(all.users) + " users";
  else if (all.offered_rate > 0)
    out += " where " + rate(all.offered_rate) + " per second were offered";
  out += ": " + unit_text(unit::share, all.totals.success_share()) + " succeeded";
  if (all.times.ttft.count() > 0)
    out += ", the first token came within " + time_of(all.times.ttft, 0.5) +
           " for half of them and within " + time_of(all.times.ttft, 0.99) + " for 99 %";
  else if (all.times.e2e.count() > 0)
    out += ", half of them within " + time_of(all.times.e2e, 0.5) + ", 99 % within " +
           time_of(all.times.e2e, 0.99);
  return out + ".";
}

void append_head(html_page& page, const run_record& run) {
  auto& out = page.body();
  auto verdict = words_of(run);
  out += "<div class=\"headline\"><h1>" + escape_html(shortened(run.where.model, 200)) + "</h1>";
  out += std::string("<span class=\"verdict ") + verdict.kind + "\">" + verdict.text + "</span>";
  if (run.is_interrupted) out += "<span class=\"verdict fair\">Stopped early</span>";
  out += "</div><p class=\"about\">" + escape_html(shortened(run.where.url, 300)) + " · " +
         escape_html(run.where.plan + (run.where.arrival.empty() ? "" : ", " + run.where.arrival)) +
         " · <time datetime=\"" + escape_html(run.where.started_at) + "\">" +
         escape_html(run.where.started_at) + "</time></p>";
  out += "<p class=\"lead\">" + escape_html(lead(run)) + "</p>";
}

void append_figures(std::string& out, const run_record& run) {
  auto& all = run.overall;
  auto& t = all.totals;
  std::uint64_t most_in_flight = 0;
  for (auto& point : run.series) most_in_flight = std::max(most_in_flight, point.in_flight);
  auto time_tile = [](const char* name, const latency_histogram& times) {
    return html_tile{name, time_of(times, 0.5), "p50",
                     note_of({"p95 " + time_of(times, 0.95), "p99 " + time_of(times, 0.99)})};
  };
  std::vector<html_tile> tiles = {
      {"Requests", rate(all.request_throughput()), "/s", count(t.succeeded) + " succeeded"},
      {"Success", unit_text(unit::share, t.success_share()), "",
       note_of({count(t.failed) + " failed", count(t.rejected) + " rejected"})}};
  if (all.times.ttft.count() > 0) tiles.push_back(time_tile("First token", all.times.ttft));
  if (all.times.itl.count() > 0) tiles.push_back(time_tile("Between tokens", all.times.itl));
  tiles.push_back(time_tile("Whole answer", all.times.e2e));
  tiles.push_back({"Output", rate(all.output_throughput()), "tokens/s",
                   note_of({count(t.output_tokens) + " out", count(t.prompt_tokens) + " in"})});
  if (t.good != t.succeeded)
    tiles.push_back({"Goodput", rate(all.goodput()), "/s", count(t.good) + " within the limits"});
  tiles.push_back({"In flight", count(most_in_flight), "at most",
                   note_of({"send lag", "p99 " + time_of(all.times.lag, 0.99)})});
  append_tiles(out, tiles);
}

void append_notes(std::string& out, const run_record& run) {
  if (run.warnings.empty()) return;
  out += "<ul class=\"notes\" aria-label=\"Warnings\">";
  for (std::size_t i = 0; i < std::min(run.warnings.size(), max_rows); ++i)
    out += "<li>" + escape_html(shortened(run.warnings[i])) + "</li>";
  out += "</ul>";
}

void append_limits(html_page& page, const run_record& run) {
  if (run.slo.empty()) return;
  page.begin_section("limits", "Limits");
  std::vector<html_row> rows;
  for (auto& one : run.slo)
    rows.push_back({{one.clause, figure_of(one, one.found), figure_of(one, one.wanted),
                     one.is_met ? "✓ kept" : "✗ missed"},
                    one.is_met ? "" : "bad"});
  append_table(page.body(), "What was asked for, over the judged stages",
               {"Limit", "Found", "Wanted", "Verdict"}, rows);
  page.end_section();
}

void append_latencies(html_page& page, const run_record& run) {
  auto& times = run.overall.times;
  std::vector<html_row> rows;
  auto add = [&](const char* name, const latency_histogram& t) {
    if (t.count() == 0) return;
    html_row row{{name, unit_text(unit::seconds, t.mean())}, ""};
    for (double q : {0.5, 0.9, 0.95, 0.99, 0.999}) row.cells.push_back(time_of(t, q));
    row.cells.push_back(unit_text(unit::seconds, t.max()));
    row.cells.push_back(count(t.count()));
    rows.push_back(std::move(row));
  };
  add("First token", times.ttft);
  add("Between tokens", times.itl);
  add("Longest gap of an answer", times.max_gap);
  add("Per token of an answer", times.tpot);
  add("Whole answer", times.e2e);
  add("Until rejected", times.rejected_e2e);
  add("Until failed", times.failed_e2e);
  add("Send lag of the generator", times.lag);
  if (rows.empty()) return;
  page.begin_section("latencies", "Latencies",
                     "From when a request was due, not from when it was sent; of successful "
                     "requests unless the row says otherwise.");
  append_table(page.body(), "Over the judged stages",
               {"Time", "mean", "p50", "p90", "p95", "p99", "p99.9", "max", "values"}, rows);
  page.end_section();
}

std::string load_of(const stage_result& stage) {
  if (stage.kind == load_kind::closed) return count(stage.users) + " users";
  return stage.offered_rate > 0 ? rate(stage.offered_rate) + "/s"
                                : std::string(to_string(stage.kind));
}

void append_stages(html_page& page, const run_record& run) {
  std::vector<html_row> rows;
  for (std::size_t i = 0; i < std::min(run.stages.size(), max_rows); ++i) {
    auto& s = run.stages[i];
    bool is_best = run.best_stage && *run.best_stage == i;
    auto name = shortened(s.name, 100) + (is_best ? " ★" : s.is_judged ? "" : " (not judged)");
    rows.push_back(
        {{name, load_of(s), unit_text(unit::seconds, s.seconds()), count(s.totals.succeeded),
          count(s.totals.rejected), count(s.totals.failed), count(s.totals.aborted),
          rate(s.request_throughput()), rate(s.goodput()), rate(s.output_throughput()),
          time_of(s.times.ttft, 0.5), time_of(s.times.ttft, 0.99), time_of(s.times.itl, 0.99),
          time_of(s.times.e2e, 0.5), time_of(s.times.e2e, 0.99),
          unit_text(unit::bytes, s.peak_memory_bytes), s.is_stable ? "yes" : "no"},
         is_best       ? "best"
         : s.is_judged ? ""
                       : "unjudged"});
  }
  page.begin_section("stages", "Stages");
  auto caption = std::string("Stages in the order of the run") +
                 (run.best_stage ? "; ★ is the best one within the limits" : "") +
                 (run.stages.size() > max_rows ? "; the first " + std::to_string(max_rows) +
                                                     " of " + std::to_string(run.stages.size())
                                               : "");
  append_table(
      page.body(), caption,
      {"Stage", "Load", "Time", "Succeeded", "Rejected", "Failed", "Aborted", "req/s", "good/s",
       "tokens/s", "TTFT p50", "TTFT p99", "ITL p99", "e2e p50", "e2e p99", "Memory", "Stable"},
      rows);
  auto charts = stage_charts(run);
  if (!charts.empty()) {
    page.body() += "<div class=\"grid\" style=\"margin-top:.75rem\">";
    for (auto& one : charts) append_chart(page.body(), one);
    page.body() += "</div>";
  }
  page.end_section();
}

void append_failures(html_page& page, const run_record& run) {
  auto& t = run.overall.totals;
  if (t.failures.empty() && t.rejections.empty()) return;
  struct one_class {
    std::uint64_t times;
    std::string name;
    const char* what;
  };
  std::vector<one_class> all;
  for (auto& [name, times] : t.failures) all.push_back({times, name, "failed"});
  for (auto& [name, times] : t.rejections) all.push_back({times, name, "rejected"});
  std::ranges::sort(all, [](auto& a, auto& b) { return a.times > b.times; });
  page.begin_section("failures", "Without an answer",
                     "A rejection is a 429 or 503, with which a server says that it is full; "
                     "everything else is a failure. Neither is in any percentile.");
  auto& out = page.body();
  out +=
      "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Failures by class\">"
      "<table><caption>Failures and rejections by class</caption><thead><tr><th scope=\"col\">"
      "Class</th><th scope=\"col\">Kind</th><th scope=\"col\">Requests</th><th scope=\"col\">"
      "Share of sent</th><th scope=\"col\"><span class=\"off-screen\">Bar</span></th></tr>"
      "</thead><tbody>";
  for (std::size_t i = 0; i < std::min(all.size(), max_rows); ++i) {
    auto share = t.sent == 0 ? 0 : static_cast<double>(all[i].times) / static_cast<double>(t.sent);
    auto width = std::to_string(std::lround(std::min(1.0, share) * 1000));
    out += "<tr><th scope=\"row\">" + escape_html(shortened(all[i].name, 200)) + "</th><td>" +
           all[i].what + "</td><td>" + count(all[i].times) + "</td><td>" +
           unit_text(unit::share, share) +
           "</td><td><span class=\"share\" aria-hidden=\"true\"><i style=\"width:calc(" + width +
           "% / 10)\"></i></span></td></tr>";
  }
  out += "</tbody></table></div>";
  page.end_section();
}

void append_verification(html_page& page, const run_record& run) {
  auto& v = run.verified;
  if (v.num_canaries == 0 && v.num_schema_answers == 0) return;
  page.begin_section("answers", "Answers that were checked");
  auto& out = page.body();
  std::vector<html_row> rows;
  if (v.num_canaries > 0)
    rows.push_back({{"Canaries: the same text as without load", count(v.num_canaries),
                     count(v.num_mismatches)},
                    v.num_mismatches > 0 ? "bad" : ""});
  if (v.num_schema_answers > 0)
    rows.push_back({{"Answers that must follow a schema", count(v.num_schema_answers),
                     count(v.num_schema_errors)},
                    v.num_schema_errors > 0 ? "bad" : ""});
  append_table(out, "Wrong answers count as failures", {"Check", "Answers", "Wrong"}, rows);
  if (!v.examples.empty()) {
    out += "<ul class=\"notes\" aria-label=\"Wrong answers\">";
    for (std::size_t i = 0; i < std::min<std::size_t>(v.examples.size(), 8); ++i)
      out += "<li class=\"bad\">" + escape_html(shortened(v.examples[i], 1000)) + "</li>";
    out += "</ul>";
  }
  page.end_section();
}

void append_environment(html_page& page, const run_record& run) {
  auto& w = run.where;
  page.begin_section("environment", "Environment");
  append_facts(page.body(),
               {{"Command", shortened(w.command_line)},
                {"Target", shortened(w.url)},
                {"API", w.api + (w.is_stream ? ", streamed" : ", whole answers")},
                {"Model", shortened(w.model)},
                {"Server", shortened(w.server)},
                {"Client", shortened(w.client) + ", " + std::to_string(w.workers) +
                               (w.workers == 1 ? " worker" : " workers")},
                {"Client's machine", shortened(w.machine)},
                {"Plan", w.plan + (w.arrival.empty() ? "" : ", " + w.arrival)},
                {"Prompts", shortened(w.prompts)},
                {"Seed", std::to_string(w.seed)},
                {"Begun", w.started_at},
                {"Took", unit_text(unit::seconds, run.duration)},
                {"Before it", run.reference_requests == 0
                                  ? ""
                                  : count(run.reference_requests) +
                                        " requests without load, which are in no figure"}});
  if (!w.server_info.empty())
    page.body() +=
        "<details><summary>What the server says of itself</summary><pre tabindex=\"0\">" +
        escape_html(shortened(w.server_info, max_info_bytes)) + "</pre></details>";
  page.end_section();
}

}  // namespace

std::string html_report(const run_record& run) {
  html_page page("Load test of " + shortened(run.where.model, 200) + " · " + words_of(run).text);
  append_head(page, run);
  append_figures(page.body(), run);
  append_notes(page.body(), run);
  append_limits(page, run);
  std::array runs = {charted_run{&run, ""}};
  page.add_charts("time", "Over time", sampling_note(runs), load_charts(runs));
  page.add_charts("server", "The server", "As its /metrics said each second.", server_charts(runs));
  append_latencies(page, run);
  page.add_charts("distributions", "Distributions", "Which share came within a time.",
                  distribution_charts(runs));
  append_stages(page, run);
  append_failures(page, run);
  append_verification(page, run);
  append_environment(page, run);
  return std::move(page).finish("Made by " + shortened(run.where.client, 100) +
                                " bench. This file asks nobody for anything.");
}

refusal write_page(const std::filesystem::path& path, const std::string& html) {
  std::ofstream file(path, std::ios::binary);
  file << html << std::flush;
  if (file.good()) return nothing{};
  return failure{error_code::io_error, "cannot write " + path.string(), path.string()};
}

refusal write_html_report(const std::filesystem::path& path, const run_record& run) {
  return write_page(path, html_report(run));
}

}  // namespace troupe::load
