// Charts as inline SVG. Each has a title and a description for readers who do not see it, a legend
// with figures, and its values as a table beneath; colours and strokes come from web/report/.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "load/html_text.hpp"

namespace troupe::load {

// 0 and up to five round numbers, the last of which reaches `largest`; bytes are round in their
// own unit.
std::vector<double> round_marks(unit what, double largest);
// Times from 0 to `span` seconds at round distances, at most seven.
std::vector<double> time_marks(double span);
// 1, 2 and 5 times powers of ten (powers alone if there are many) from the one at or below `least`
// to the one at or above `largest`; both positive.
std::vector<double> log_marks(double least, double largest);

enum class stroke : std::uint8_t { solid, dashed, dotted };

struct chart_line {
  std::string name;
  std::string figure;          // stands beside the name: of the whole run
  std::vector<double> values;  // one for each x; NaN: not known, a gap in the line
  int colour = 1;              // 1 to 4
  stroke how = stroke::solid;
};

struct chart_mark {
  double at = 0;
  std::string name;
};

enum class x_axis : std::uint8_t {
  clock,        // seconds since a begin
  log_seconds,  // times, by their logarithm
  points,       // the values themselves, evenly: stages
};

struct chart {
  std::string id;     // unique on its page: letters and digits
  std::string title;  // "Time to first token"
  std::string note;   // a sentence beneath; may be empty
  unit what = unit::count;
  std::string per;  // behind the figures of the axis: "/s"; may be empty
  x_axis along = x_axis::clock;
  std::string x_name = "Time";
  std::vector<double> x;             // ascending
  std::vector<std::string> x_names;  // of x_axis::points
  std::vector<chart_line> lines;
  std::vector<chart_mark> borders;  // vertical: where stages begin
  std::vector<chart_mark> limits;   // horizontal: what is asked for

  // There is a line with a value.
  bool has_values() const;
};

// A <figure>. Nothing for a chart without values.
void append_chart(std::string& out, const chart& what);

}  // namespace troupe::load
