#include "load/html_report.hpp"

#include <doctest/doctest.h>

#include <regex>
#include <set>
#include <string>

#include "load/html_text.hpp"
#include "load/report_charts.hpp"
#include "sample_run.hpp"

using namespace troupe;
using namespace troupe::load;

namespace {

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

bool has(const std::string& text, const std::string& what) { return text.find(what) != text.npos; }

const std::string hostile = "</title></style></script><script>alert('x')</script>\"onload=\"x";

// Every text of it comes from outside.
run_record hostile_run() {
  auto run = sample_run();
  auto& w = run.where;
  for (auto* text : {&w.url, &w.api, &w.model, &w.server, &w.client, &w.machine, &w.command_line,
                     &w.plan, &w.arrival, &w.prompts, &w.started_at})
    *text = hostile;
  w.server_info = "{\"a\":\"" + hostile + "\"}";
  for (auto& stage : run.stages) stage.name = hostile;
  run.overall.totals.failures[hostile] = 3;
  run.overall.totals.rejections[hostile] = 2;
  run.warnings = {hostile};
  run.slo = {{"ttft_p99<" + hostile, 1, 2, false}};
  run.verified = {.num_canaries = 2, .num_mismatches = 1, .examples = {hostile}};
  return run;
}

}  // namespace

TEST_CASE("no text from outside becomes markup") {
  CHECK(escape_html("<a href=\"x\">&'") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  CHECK(escape_html("\x01"
                    "a\tb\x7f\xff") == "\uFFFDa\tb\uFFFD\uFFFD");
  auto page = html_report(hostile_run());
  auto plain = html_report(sample_run());
  CHECK(has(page, "&lt;script&gt;alert(&#39;x&#39;)"));
  CHECK(!has(page, "alert('x')"));
  CHECK(!has(page, "\"onload"));
  CHECK(count_of(page, "<script") == count_of(plain, "<script"));
  CHECK(count_of(page, "</title>") - count_of(plain, "</title>") ==
        count_of(page, "<title") - count_of(plain, "<title"));
}

TEST_CASE("a report asks nobody for anything") {
  auto page = html_report(sample_run());
  // Names of XML's vocabularies are no addresses that are asked.
  auto text = std::regex_replace(page, std::regex("http://www.w3.org/2000/svg"), "");
  for (auto* word :
       {"src=", "url(", "@import", "<link", "<iframe", "fetch(", "XMLHttpRequest", "https://"})
    CHECK_MESSAGE(!has(text, word), word);
  CHECK(has(page, "default-src 'none'"));
}

TEST_CASE("an hour of ten stages fits into 200 KB") {
  auto run = sample_run(3600, 10);
  for (int i = 0; i < 200; ++i) {
    run.overall.totals.failures["class " + std::to_string(i)] = 1;
    run.warnings.push_back(std::string(300, 'w'));
    run.verified.examples.push_back(std::string(100'000, 'x'));
  }
  run.verified.num_canaries = 1;
  run.where.server_info = "\"" + std::string(100'000, 'x') + "\"";
  auto page = html_report(run);
  CHECK(page.size() <= 200 * 1024);
  CHECK(page.size() > 50 * 1024);
  CHECK(has(page, "Each point is 30 seconds"));
}

TEST_CASE("every chart has a title, a description and a table, and ids are unique") {
  auto page = html_report(sample_run());
  auto charts = count_of(page, "<svg class=\"chart\"");
  CHECK(charts >= 15);
  CHECK(count_of(page, "<desc id=") == charts);
  CHECK(count_of(page, "<summary>Table</summary>") == charts);
  CHECK(count_of(page, "<table") == count_of(page, "<caption"));
  std::set<std::string> ids;
  const std::regex id(" id=\"([^\"]*)\"");
  std::size_t num_ids = 0;
  for (std::sregex_iterator at(page.begin(), page.end(), id), end; at != end; ++at, ++num_ids)
    ids.insert((*at)[1]);
  CHECK(ids.size() == num_ids);
  for (auto* part : {"<main id=\"main\"", "<header", "<nav aria-label", "<footer", "lang=\"en\"",
                     "href=\"#main\""})
    CHECK_MESSAGE(has(page, part), part);
}

TEST_CASE("verdicts are told in words") {
  auto run = sample_run();
  CHECK(has(html_report(run), "Done, no limits set"));
  run.slo = {{"ttft_p99<150ms", 0.15, 0.2, false}, {"success>=99%", 0.99, 0.999, true}};
  run.verdict = run_verdict::slo_missed;
  auto page = html_report(run);
  CHECK(has(page, "Limits missed"));
  CHECK(has(page, "✗ missed"));
  CHECK(has(page, "✓ kept"));
  CHECK(has(page, "<g class=\"limit\">"));
  run.verdict = run_verdict::target_down;
  CHECK(has(html_report(run), "Target down"));
  run.is_interrupted = true;
  CHECK(has(html_report(run), "Stopped early"));
}

TEST_CASE("a run without a single answer has a report") {
  run_record run;
  auto page = html_report(run);
  CHECK(has(page, "</html>"));
  CHECK(count_of(page, "<svg class=\"chart\"") == 0);
  CHECK(!has(page, "nan"));
}

TEST_CASE("points keep the worst second and the mean of rates") {
  run_record run;
  for (std::uint32_t i = 0; i < 4; ++i) {
    second_point point;
    point.second = i;
    point.due = i;
    point.e2e.p99 = i == 1 ? -1.0 : i;
    run.series.push_back(point);
  }
  auto due = [](const second_point& p) { return static_cast<double>(p.due); };
  auto p99 = [](const second_point& p) { return p.e2e.p99; };
  CHECK(sampled(run, 2, 2, sampling::mean, due) == std::vector<double>{0.5, 2.5});
  CHECK(sampled(run, 2, 2, sampling::greatest, p99) == std::vector<double>{0, 3});
  CHECK(sampled(run, 2, 2, sampling::last, due) == std::vector<double>{1, 3});
  CHECK(std::isnan(sampled(run, 1, 4, sampling::mean, p99)[1]));
  CHECK(seconds_per_point(run, 200) == 1);
  CHECK(seconds_per_point(sample_run(3600), 200) == 30);
}
