#include "load/html_page.hpp"

#include <algorithm>

#include "net/web_files.hpp"

namespace troupe::load {
namespace {

std::string_view file(std::string_view path) {
  auto found = std::ranges::find(web_files(), path, &web_file::path);
  return found == web_files().end() ? std::string_view{} : found->bytes;
}

// The pages' colours are dark where their script says so; a report is dark without one, too.
std::string style() {
  auto base = file("/common/base.css");
  std::string out(base);
  constexpr std::string_view dark = ":root[data-theme=\"dark\"] {";
  if (auto begin = base.find(dark); begin != base.npos) {
    auto colours = base.substr(begin + dark.size());
    colours = colours.substr(0, colours.find('}') + 1);
    out += "@media screen and (prefers-color-scheme: dark) { :root:not([data-theme]) {";
    out.append(colours) += " }\n";
  }
  // Paper is white.
  constexpr std::string_view light = ":root {";
  if (auto begin = base.find(light); begin != base.npos) {
    auto colours = base.substr(begin + light.size());
    out += "@media print { :root, :root[data-theme=\"dark\"] {";
    out.append(colours.substr(0, colours.find('}') + 1)) += " }\n";
  }
  return out.append(file("/report/report.css"));
}

std::string icon() {
  std::string svg(file("/icon.svg"));
  return svg.replace(svg.find("<svg "), 5, "<svg width=\"24\" height=\"24\" aria-hidden=\"true\" ");
}

constexpr std::string_view theme_button =
    "<button id=\"theme\" class=\"icon\" type=\"button\" aria-label=\"Dark colours\" "
    "aria-pressed=\"false\" title=\"Dark colours\"><svg viewBox=\"0 0 20 20\" "
    "aria-hidden=\"true\"><path d=\"M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 "
    "7.5z\"/></svg></button>";

}  // namespace

html_page::html_page(std::string_view title) : title_(escape_html(title)) {}

void html_page::begin_section(std::string_view id, std::string_view heading,
                              std::string_view note) {
  auto name = escape_html(heading);
  nav_.append("<a href=\"#").append(id).append("\">").append(name).append("</a>");
  body_.append("\n<section aria-labelledby=\"").append(id).append("\"><h2 id=\"").append(id);
  body_.append("\">").append(name).append("</h2>");
  if (!note.empty()) body_ += "<p class=\"quiet-text\">" + escape_html(note) + "</p>";
}

void html_page::add_charts(std::string_view id, std::string_view heading, std::string_view note,
                           std::span<const chart> charts) {
  if (std::ranges::none_of(charts, &chart::has_values)) return;
  begin_section(id, heading, note);
  body_ += "<div class=\"grid\">";
  for (auto& one : charts) append_chart(body_, one);
  body_ += "</div>";
  end_section();
}

std::string html_page::finish(std::string_view about) && {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
      "form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>";
  out += title_ + "</title>\n<style>" + style() + "</style>\n<script>";
  out.append(file("/common/theme.js"));
  out += "</script></head>\n<body><a class=\"skip\" href=\"#main\">Skip to the numbers</a>\n";
  out += "<header class=\"bar\">" + icon() + "<strong>Load test</strong><nav aria-label=\"Parts\">";
  out += nav_ + "</nav>";
  out.append(theme_button) += "</header>\n<main id=\"main\" tabindex=\"-1\">";
  out += body_ + "</main>\n<footer><p>" + escape_html(about) + "</p></footer>\n<script>";
  out.append(file("/report/report.js"));
  return out + "</script></body></html>\n";
}

void append_table(std::string& out, std::string_view caption, const std::vector<std::string>& head,
                  const std::vector<html_row>& rows, const std::vector<std::size_t>& text_columns) {
  auto is_text = [&](std::size_t i) { return std::ranges::count(text_columns, i) > 0; };
  out += "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
         escape_html(caption) + "\"><table><caption>" + escape_html(caption) +
         "</caption><thead><tr>";
  for (std::size_t i = 0; i < head.size(); ++i)
    out += std::string("<th scope=\"col\"") + (is_text(i) ? " class=\"text\">" : ">") +
           escape_html(head[i]) + "</th>";
  out += "</tr></thead><tbody>";
  for (auto& row : rows) {
    out += row.kind.empty() ? "<tr>" : "<tr class=\"" + row.kind + "\">";
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      auto text = escape_html(row.cells[i]);
      if (i == 0) {
        out += "<th scope=\"row\">" + text + "</th>";
      } else {
        out += (is_text(i) ? "<td class=\"text\">" : "<td>") + text + "</td>";
      }
    }
    out += "</tr>";
  }
  out += "</tbody></table></div>";
}

void append_facts(std::string& out, const std::vector<std::pair<std::string, std::string>>& facts) {
  out += "<dl class=\"facts card\">";
  for (auto& [name, value] : facts)
    if (!value.empty())
      out += "<dt>" + escape_html(name) + "</dt><dd>" + escape_html(value) + "</dd>";
  out += "</dl>";
}

void append_tiles(std::string& out, const std::vector<html_tile>& tiles) {
  out += "<dl class=\"tiles\">";
  for (auto& tile : tiles)
    out += "<div class=\"card\"><dt>" + escape_html(tile.name) + "</dt><dd class=\"value\">" +
           escape_html(tile.value) + " <small>" + escape_html(tile.unit) +
           "</small></dd><dd class=\"note\">" + escape_html(tile.note) + "</dd></div>";
  out += "</dl>";
}

}  // namespace troupe::load
