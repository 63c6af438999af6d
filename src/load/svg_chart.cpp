#include "load/svg_chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace troupe::load {
namespace {

constexpr double width = 460, height = 200;  // of the drawing, in its own units
constexpr double left = 62, right = 10, top = 18, bottom = 26;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;
constexpr std::size_t max_rows = 25;  // of a table

[[gnu::format(printf, 2, 3)]] void print(std::string& out, const char* format, ...) {
  std::array<char, 256> text{};
  va_list values;
  va_start(values, format);
  std::vsnprintf(text.data(), text.size(), format, values);
  va_end(values);
  out += text.data();
}

const char* class_of(stroke how) {
  switch (how) {
    case stroke::solid: return "";
    case stroke::dashed: return " dashed";
    case stroke::dotted: return " dotted";
  }
  return "";
}

std::string figure(const chart& what, double value) {
  return std::isnan(value) ? "–" : unit_text(what.what, value) + what.per;
}

// Where values stand in the drawing.
class plane {
 public:
  explicit plane(const chart& what) : along_(what.along) {
    double largest = 0;
    for (auto& line : what.lines)
      for (auto value : line.values)
        if (std::isfinite(value)) largest = std::max(largest, value);
    // A limit far above everything would press the lines to the ground.
    for (auto& limit : what.limits)
      if (limit.at <= 4 * largest) largest = std::max(largest, limit.at);
    y_marks = round_marks(what.what, what.what == unit::share ? std::min(largest, 1.0) : largest);
    if (along_ == x_axis::log_seconds) {
      x_marks = log_marks(what.x.front(), what.x.back());
      first_ = std::log(what.x.front());
      last_ = std::log(what.x.back());
    } else if (along_ == x_axis::clock) {
      last_ = std::max(what.x.back(), 1.0);
      x_marks = time_marks(last_);
    } else {
      first_ = -0.5;
      last_ = static_cast<double>(what.x.size()) - 0.5;
      x_marks = what.x;
    }
    if (!(last_ > first_)) last_ = first_ + 1;
  }

  double x(double value) const {
    auto along = along_ == x_axis::log_seconds ? std::log(value) : value;
    return left + plot_width * (along - first_) / (last_ - first_);
  }
  double y(double value) const { return top + plot_height * (1 - value / y_marks.back()); }
  bool has_x(double value) const { return x(value) >= left - 0.5 && x(value) <= width - right + 1; }
  double first() const { return first_; }
  double last() const { return last_; }

  std::vector<double> x_marks, y_marks;

 private:
  x_axis along_;
  double first_ = 0, last_ = 1;
};

std::string x_text(const chart& what, double value) {
  switch (what.along) {
    case x_axis::clock: return clock_text(value);
    case x_axis::log_seconds: return unit_text(unit::seconds, value);
    case x_axis::points: {
      auto index = static_cast<std::size_t>(std::max(0.0, value));
      return index < what.x_names.size() ? what.x_names[index] : "";
    }
  }
  return "";
}

// Marks are round: zeros behind the point say nothing.
std::string mark_text(const chart& what, double value) {
  auto text = figure(what, value);
  auto point = text.find('.');
  if (point == text.npos) return text;
  auto end = text.find_first_not_of("0123456789", point + 1);
  if (end == text.npos) end = text.size();
  auto last = text.find_last_not_of('0', end - 1);
  return text.erase(last == point ? point : last + 1, end - (last == point ? point : last + 1));
}

void append_axes(std::string& out, const chart& what, const plane& on) {
  out += "<g class=\"axes\">";
  for (auto mark : on.y_marks) {
    print(out, "<path d=\"M%.0f %.1fH%.0f\"/><text x=\"%.0f\" y=\"%.1f\" class=\"y\">", left,
          on.y(mark), width - right, left - 8, on.y(mark) + 4);
    out += mark_text(what, mark) + "</text>";
  }
  auto every = what.along == x_axis::points ? (on.x_marks.size() + 11) / 12 : 1;
  for (std::size_t i = 0; i < on.x_marks.size(); i += every) {
    if (!on.has_x(on.x_marks[i])) continue;
    auto x = on.x(on.x_marks[i]);
    const char* where = x < left + 12 && what.along == x_axis::clock ? "start"
                        : x > width - right - 16                     ? "end"
                                                                     : "middle";
    print(out, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\"%s>", x, height - 6, where,
          i / every % 2 == 1 ? " class=\"second\"" : "");
    out += escape_html(x_text(what, on.x_marks[i])) + "</text>";
  }
  out += "</g>";
}

// Names of borders are told where there is room for them.
void append_borders(std::string& out, const chart& what, const plane& on) {
  if (what.borders.empty()) return;
  out += "<g class=\"borders\">";
  for (std::size_t i = 0; i < what.borders.size(); ++i) {
    auto& border = what.borders[i];
    if (!on.has_x(border.at)) continue;
    auto end = i + 1 < what.borders.size() ? on.x(what.borders[i + 1].at) : width - right;
    auto x = on.x(border.at);
    if (x > left + 1) print(out, "<path d=\"M%.1f %.0fV%.0f\"/>", x, top - 10, height - bottom);
    if (end - x < 6.8 * static_cast<double>(border.name.size()) + 8) continue;
    print(out, "<text x=\"%.1f\" y=\"%.0f\">", x + 4, top - 5);
    out += escape_html(border.name) + "</text>";
  }
  out += "</g>";
}

void append_limits(std::string& out, const chart& what, const plane& on) {
  for (auto& limit : what.limits) {
    if (limit.at > on.y_marks.back()) continue;
    auto y = on.y(limit.at);
    print(out, "<g class=\"limit\"><path d=\"M%.0f %.1fH%.0f\"/><text x=\"%.0f\" y=\"%.1f\">", left,
          y, width - right, width - right - 2, y - 4);
    out += escape_html(limit.name) + "</text></g>";
  }
}

// Straight between two values, a gap where one is not known; a value alone is a dot.
void append_line(std::string& out, const chart& what, const chart_line& line, const plane& on) {
  print(out, "<path class=\"line c%d%s\" d=\"", line.colour, class_of(line.how));
  bool is_open = false;
  for (std::size_t i = 0; i < line.values.size(); ++i) {
    if (!std::isfinite(line.values[i])) {
      is_open = false;
      continue;
    }
    bool is_next_known = i + 1 < line.values.size() && std::isfinite(line.values[i + 1]);
    print(out, "%c%.1f %.1f", is_open ? 'L' : 'M', on.x(what.x[i]), on.y(line.values[i]));
    if (!is_open && !is_next_known) out += "h.01";
    is_open = true;
  }
  out += "\"/>";
  if (what.along != x_axis::points) return;
  for (std::size_t i = 0; i < line.values.size(); ++i)
    if (std::isfinite(line.values[i]))
      print(out, "<circle class=\"dot c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", line.colour,
            on.x(what.x[i]), on.y(line.values[i]));
}

void append_legend(std::string& out, const chart& what) {
  out += "<p class=\"legend\">";
  for (auto& line : what.lines) {
    print(out,
          "<span><svg width=\"22\" height=\"8\" aria-hidden=\"true\"><path class=\"line c%d%s\" "
          "d=\"M1 4H21\"/></svg> ",
          line.colour, class_of(line.how));
    out += escape_html(line.name) + " <b>" + escape_html(line.figure) + "</b></span>";
  }
  out += "<span class=\"moment\"></span></p>";
}

// What the lines are and where they have their peaks.
std::string description(const chart& what) {
  std::string out = what.x_name + " from " + x_text(what, what.x.front()) + " to " +
                    x_text(what, what.x.back()) + ". ";
  for (auto& line : what.lines) {
    std::size_t peak = 0;
    bool is_known = false;
    for (std::size_t i = 0; i < line.values.size(); ++i) {
      if (!std::isfinite(line.values[i])) continue;
      if (!is_known || line.values[i] > line.values[peak]) peak = i;
      is_known = true;
    }
    out += line.name + ": ";
    out += is_known ? "at most " + figure(what, line.values[peak]) + " at " +
                          x_text(what, what.x[peak]) + ". "
                    : "not known. ";
  }
  out.pop_back();
  return out;
}

// End tags that HTML does without are left out: there are many cells.
void append_table(std::string& out, const chart& what) {
  out += "<details><summary>Table</summary><div class=\"scroll\" tabindex=\"0\"><table><caption>" +
         escape_html(what.title) + "</caption><thead><tr><th scope=\"col\">" +
         escape_html(what.x_name);
  for (auto& line : what.lines) out += "<th scope=\"col\">" + escape_html(line.name);
  out += "<tbody>";
  auto every = std::max<std::size_t>(1, (what.x.size() + max_rows - 1) / max_rows);
  for (std::size_t i = 0; i < what.x.size(); i += every) {
    out += "<tr><th scope=\"row\">" + escape_html(x_text(what, what.x[i]));
    for (auto& line : what.lines) out += "<td>" + figure(what, line.values[i]);
  }
  out += "</table></div></details>";
}

}  // namespace

std::vector<double> round_marks(unit what, double largest) {
  if (!(largest > 0) || !std::isfinite(largest)) return {0, 1};
  double scale = 1;
  if (what == unit::bytes)
    while (largest / scale >= 1000) scale *= 1024;
  auto rough = largest / scale / 4;
  auto power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (double times : {5.0, 2.5, 2.0, 1.0})
    if (times * power >= rough * 0.999) step = times * power;
  std::vector<double> marks = {0};
  while (marks.back() < largest * 0.999)
    marks.push_back(step * scale * static_cast<double>(marks.size()));
  return marks;
}

std::vector<double> time_marks(double span) {
  double step = 24 * 3600;
  for (double one : {43200., 21600., 14400., 7200., 3600., 1800., 900., 600., 300., 120., 60., 30.,
                     15., 10., 5., 2., 1.})
    if (span / one <= 6.01) step = one;
  while (span / step > 6.01) step *= 2;
  std::vector<double> marks;
  for (double mark = 0; mark <= span * 1.0001; mark += step) marks.push_back(mark);
  return marks;
}

std::vector<double> log_marks(double least, double largest) {
  auto first = std::floor(std::log10(least) + 1e-9), last = std::ceil(std::log10(largest) - 1e-9);
  bool are_few = last - first <= 2;
  std::vector<double> marks;
  for (auto power = first; power <= last; ++power)
    for (double times : {1.0, 2.0, 5.0}) {
      auto mark = times * std::pow(10, power);
      if (times > 1 && !are_few) continue;
      // The one below the next is dropped when the next is not above `least` either.
      if (!marks.empty() && mark <= least * 1.0001) marks.pop_back();
      marks.push_back(mark);
      if (mark >= largest * 0.9999) return marks;
    }
  return marks;
}

bool chart::has_values() const {
  return std::ranges::any_of(lines, [](const chart_line& line) {
    return std::ranges::any_of(line.values, [](double v) { return std::isfinite(v); });
  });
}

void append_chart(std::string& out, const chart& what) {
  if (what.x.empty() || !what.has_values()) return;
  plane on(what);
  auto id = escape_html(what.id);
  out += "<figure class=\"card\" id=\"" + id + "\"><figcaption><h3>" + escape_html(what.title) +
         "</h3></figcaption>";
  append_legend(out, what);
  // The page's script reads values back from the paths by these.
  print(out,
        "<svg class=\"chart\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" tabindex=\"0\" "
        "data-plot=\"%.0f %.0f %.0f %.0f\" data-x=\"%.9g %.9g\" data-y=\"%.9g\" ",
        width, height, left, top, plot_width, plot_height, on.first(), on.last(),
        on.y_marks.back());
  static constexpr std::array along_words = {"clock", "log", "points"};
  static constexpr std::array unit_words = {"count", "seconds", "bytes", "share"};
  print(out, "data-along=\"%s\" data-unit=\"%s\" data-per=\"",
        along_words.at(static_cast<std::size_t>(what.along)),
        unit_words.at(static_cast<std::size_t>(what.what)));
  out += escape_html(what.per) + "\" aria-labelledby=\"" + id + "-t " + id + "-d\"><title id=\"" +
         id + "-t\">" + escape_html(what.title) + "</title><desc id=\"" + id + "-d\">" +
         escape_html(description(what)) + "</desc>";
  append_axes(out, what, on);
  append_borders(out, what, on);
  append_limits(out, what, on);
  for (auto& line : what.lines) append_line(out, what, line, on);
  out += "</svg>";
  if (!what.note.empty()) out += "<p class=\"quiet-text\">" + escape_html(what.note) + "</p>";
  append_table(out, what);
  out += "</figure>";
}

}  // namespace troupe::load
