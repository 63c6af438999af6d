// What the HTML reports have in common: one file each, with all that it shows in it. It asks nobody
// for anything and is whole without its script. Every text that comes from outside passes through
// `escape_html`.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load/svg_chart.hpp"

namespace troupe::load {

class html_page {
 public:
  // `title` as text.
  explicit html_page(std::string_view title);

  // A part with a heading and a link to it in the bar; `id`: letters.
  void begin_section(std::string_view id, std::string_view heading, std::string_view note = "");
  void end_section() { body_ += "</section>"; }
  // A section of charts; nothing when no chart has values.
  void add_charts(std::string_view id, std::string_view heading, std::string_view note,
                  std::span<const chart> charts);
  // Markup; what calls it escapes.
  std::string& body() { return body_; }
  // The whole document; `about` stands at its end, as text.
  std::string finish(std::string_view about) &&;

 private:
  std::string title_, nav_, body_;
};

// Cells of a table: texts are escaped, the first one is the head of its row.
struct html_row {
  std::vector<std::string> cells;
  std::string kind;  // class of CSS; may be empty
};
// A table that scrolls by itself, with its caption. `text_columns`: those that are no figures.
void append_table(std::string& out, std::string_view caption, const std::vector<std::string>& head,
                  const std::vector<html_row>& rows,
                  const std::vector<std::size_t>& text_columns = {});

// A definition list; entries without a value are left out.
void append_facts(std::string& out, const std::vector<std::pair<std::string, std::string>>& facts);

struct html_tile {
  std::string name, value, unit, note;
};
void append_tiles(std::string& out, const std::vector<html_tile>& tiles);

}  // namespace troupe::load
