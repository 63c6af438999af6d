#include "load/comparison_page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "load/html_page.hpp"
#include "load/report_charts.hpp"

namespace troupe::load {
namespace {

const char* kind_of(change_verdict verdict) {
  switch (verdict) {
    case change_verdict::better: return "good";
    case change_verdict::worse:
    case change_verdict::regression: return "bad";
    default: return "";
  }
}

// The interval on an axis with no change in its middle; `widest`: what its ends are.
void append_interval(std::string& out, const compared_figure& one, double widest) {
  if (std::isnan(one.by_chance.low)) {
    out += "<td>too few values</td>";
    return;
  }
  auto x = [&](double change) { return 80 + 76 * std::clamp(change / widest, -1.0, 1.0); };
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(),
                "<td><svg class=\"interval\" viewBox=\"0 0 160 16\" aria-hidden=\"true\">"
                "<path class=\"zero\" d=\"M80 0V16\"/><path class=\"range %s\" d=\"M%.1f 8H%.1f\"/>"
                "<circle class=\"%s\" cx=\"%.1f\" cy=\"8\" r=\"3.5\"/></svg></td>",
                kind_of(one.verdict), x(one.by_chance.low), x(one.by_chance.high) + 0.01,
                kind_of(one.verdict), x(one.change));
  out += text.data();
}

void append_figures(html_page& page, const comparison& all) {
  page.begin_section("figures", "What changed",
                     all.has_ledgers
                         ? "Intervals are 95 % ones, of runs drawn from these in blocks of seconds."
                         : "Intervals are 95 % ones, of runs drawn from these; those of times take "
                           "requests as independent of each other.");
  double widest = 0.02;
  for (auto& one : all.figures)
    for (auto end : {one.by_chance.low, one.by_chance.high})
      if (std::isfinite(end)) widest = std::max(widest, std::abs(end));
  widest = std::min(widest, 1.0);  // one that has changed tenfold would hide all others
  auto& out = page.body();
  out +=
      "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What "
      "changed\"><table>"
      "<caption>From A to B, over the judged stages; the line is no change, the ends are " +
      escape_html(unit_text(unit::share, widest)) +
      "</caption><thead><tr><th scope=\"col\">Figure</th><th scope=\"col\">A</th><th "
      "scope=\"col\">B</th><th scope=\"col\">Change</th><th scope=\"col\">95 % interval</th>"
      "<th scope=\"col\"><span class=\"off-screen\">Drawn</span></th><th scope=\"col\">Allowed"
      "</th><th scope=\"col\">Verdict</th></tr></thead><tbody>";
  for (auto& one : all.figures) {
    out += std::string("<tr class=\"") + kind_of(one.verdict) + "\"><th scope=\"row\">" +
           escape_html(one.name);
    for (auto& text : {value_text(one, one.a), value_text(one, one.b), change_text(one, one.change),
                       interval_text(one)})
      out += "<td>" + escape_html(text);
    append_interval(out, one, widest);
    out += "<td>" + (one.most ? escape_html(unit_text(unit::share, *one.most)) : "") + "<td>" +
           std::string(to_string(one.verdict));
  }
  out += "</tbody></table></div>";
  page.end_section();
}

void append_head(html_page& page, const comparison& all, const std::string& name_a,
                 const std::string& name_b) {
  auto& out = page.body();
  out +=
      "<div class=\"headline\"><h1>" + escape_html(name_a) + " → " + escape_html(name_b) + "</h1>";
  auto is_asked = std::ranges::any_of(all.figures, [](auto& one) { return one.most.has_value(); });
  out += all.is_regression() ? "<span class=\"verdict bad\">Regression</span>"
         : is_asked          ? "<span class=\"verdict good\">No regression</span>"
                             : "<span class=\"verdict\">Compared</span>";
  auto times = [&](change_verdict verdict) {
    return std::to_string(std::ranges::count(all.figures, verdict, &compared_figure::verdict));
  };
  out += "</div><p class=\"lead\">Of " + std::to_string(all.figures.size()) + " figures " +
         times(change_verdict::better) + " are better, " +
         std::to_string(std::ranges::count_if(all.figures,
                                              [](auto& one) {
                                                return one.verdict == change_verdict::worse ||
                                                       one.verdict == change_verdict::regression;
                                              })) +
         " are worse; what the others changed by may be chance.</p>";
  out += "<ul class=\"notes\" aria-label=\"Notes\">";
  for (auto& one : all.figures)
    if (one.verdict == change_verdict::regression || one.verdict == change_verdict::unclear)
      out += std::string("<li") +
             (one.verdict == change_verdict::regression ? " class=\"bad\">" : ">") +
             escape_html(in_words(one)) + "</li>";
  for (auto& difference : all.differences) out += "<li>" + escape_html(difference) + "</li>";
  out += "</ul>";
}

void append_runs(html_page& page, const run_record& a, const run_record& b) {
  page.begin_section("runs", "The two runs");
  std::vector<html_row> rows;
  auto add = [&](const char* name, const std::string& of_a, const std::string& of_b) {
    rows.push_back({{name, of_a.substr(0, 2000), of_b.substr(0, 2000)}, ""});
  };
  add("Command", a.where.command_line, b.where.command_line);
  add("Target", a.where.url, b.where.url);
  add("Model", a.where.model, b.where.model);
  add("Server", a.where.server, b.where.server);
  add("Client's machine", a.where.machine, b.where.machine);
  add("Begun", a.where.started_at, b.where.started_at);
  add("Requests that succeeded", std::to_string(a.overall.totals.succeeded),
      std::to_string(b.overall.totals.succeeded));
  append_table(page.body(), "What they were made of", {"", "A", "B"}, rows, {1, 2});
  page.end_section();
}

}  // namespace

std::string comparison_page(const run_record& a, const run_record& b, const comparison& all,
                            const std::string& name_a, const std::string& name_b) {
  html_page page("Load tests compared: " + name_a + ", " + name_b);
  append_head(page, all, name_a, name_b);
  append_figures(page, all);
  std::array runs = {charted_run{&a, "A"}, charted_run{&b, "B"}};
  page.add_charts("time", "Over time", sampling_note(runs), load_charts(runs));
  page.add_charts("distributions", "Distributions", "Which share came within a time.",
                  distribution_charts(runs));
  page.add_charts("server", "The server", "As its /metrics said each second.", server_charts(runs));
  append_runs(page, a, b);
  return std::move(page).finish("A is " + name_a + ", B is " + name_b +
                                ". This file asks nobody for anything.");
}

}  // namespace troupe::load
