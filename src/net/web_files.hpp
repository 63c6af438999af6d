// The web pages' files, carried inside the program (tools/embed.py writes them from web/).
#pragma once
#include <span>
#include <string_view>

namespace troupe {

struct web_file {
  std::string_view path;  // "/", "/dashboard", "/chat/app.js"
  std::string_view etag;  // with its quotes; another text has another one
  std::string_view bytes;
};

std::span<const web_file> web_files();

}  // namespace troupe
