// The web page's files, carried inside the program (tools/embed.py writes them from web/).
#pragma once
#include <span>
#include <string_view>

namespace troupe {

struct web_file {
  std::string_view name;  // "index.html"
  std::string_view bytes;
};

std::span<const web_file> web_files();

}  // namespace troupe
