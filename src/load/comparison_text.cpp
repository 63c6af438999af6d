#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "load/comparison.hpp"
#include "load/html_text.hpp"

namespace troupe::load {
namespace {

// Columns as wide as their widest cell; UTF-8's continuation bytes take no room.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool is_left) {
  std::string room(width - std::min(width, width_of(text)), ' ');
  return is_left ? text + room : room + text;
}

}  // namespace

std::string value_text(const compared_figure& figure, double value) {
  if (figure.is_share()) return unit_text(unit::share, value);
  return figure.is_time() ? unit_text(unit::seconds, value) : unit_text(unit::count, value) + "/s";
}

std::string change_text(const compared_figure& figure, double change) {
  if (std::isinf(change)) return "from none";
  auto text = signed_text(unit::share, change);
  // Of shares the change is in points, not a share of a share.
  if (figure.is_share() && text.ends_with(" %")) text.replace(text.size() - 1, 1, "points");
  return text;
}

std::string interval_text(const compared_figure& figure) {
  if (std::isnan(figure.by_chance.low)) return "too few values";
  return change_text(figure, figure.by_chance.low) + " to " +
         change_text(figure, figure.by_chance.high);
}

std::string in_words(const compared_figure& figure) {
  auto out = figure.name + " went from " + value_text(figure, figure.a) + " to " +
             value_text(figure, figure.b) + ": " + change_text(figure, figure.change) +
             " (95 % interval " + interval_text(figure) + ")";
  if (!figure.most) return out + ".";
  auto allowed = unit_text(unit::share, *figure.most);
  if (figure.is_share()) allowed.replace(allowed.size() - 1, 1, "points");
  out += ", " + allowed + " worse is allowed";
  if (figure.verdict == change_verdict::unclear)
    out += std::isnan(figure.by_chance.low) ? ", but there are too few values to be sure"
                                            : ", but chance may explain it";
  return out + ".";
}

std::string comparison_table(const comparison& all) {
  std::vector<std::vector<std::string>> rows = {
      {"", "A", "B", "change", "95 % interval", "verdict"}};
  for (auto& one : all.figures)
    rows.push_back({one.name, value_text(one, one.a), value_text(one, one.b),
                    change_text(one, one.change), interval_text(one),
                    std::string(to_string(one.verdict))});
  std::string out;
  for (auto& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::size_t widest = 0;
      for (auto& other : rows) widest = std::max(widest, width_of(other[i]));
      bool is_last = i + 1 == row.size();
      line += is_last ? row[i] : padded(row[i], widest, i == 0) + "   ";
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  for (auto& difference : all.differences) out += "\n  note: " + difference;
  if (!all.differences.empty()) out += '\n';
  if (!all.has_ledgers)
    out +=
        "\n  Intervals of times take requests as independent, which they are not where a queue\n"
        "  builds up; with --ledgers they do not.\n";
  for (auto& one : all.figures)
    if (one.verdict == change_verdict::regression || one.verdict == change_verdict::unclear)
      out += "\n  " + std::string(to_string(one.verdict)) + ": " + in_words(one) + '\n';
  return out;
}

}  // namespace troupe::load
