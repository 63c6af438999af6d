// A configuration file: TOML in, settings out. Knows no flags.
#pragma once
#include "core/outcome.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// A value from outside the command line, as text that a flag can read.
struct setting {
  std::string key;                  // as the flag is called, without its two dashes
  std::string table;                // the TOML table around it, empty at the top
  std::vector<std::string> values;  // more than one from an array
  bool is_array = false;
  std::string origin;  // "troupe.toml:3", "TROUPE_PORT"
};

// Settings in the order of their lines; `name` is what failures call the file. Keys may have
// underscores for dashes, and stand at the top or in a table.
outcome<std::vector<setting>> parse_config(std::string_view text, const std::string& name);
outcome<std::vector<setting>> read_config_file(const std::filesystem::path& path);

// The text as a TOML value: numbers and booleans as they are, anything else as a string.
std::string toml_value(const std::string& text);

}  // namespace troupe
