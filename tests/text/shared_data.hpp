// The test data that lies outside the source tree; tests that need it skip visibly without it.
#pragma once
#include "text/file.hpp"
#include "text/json.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace troupe {

inline std::filesystem::path shared_data() {
  const char* root = std::getenv("TROUPE_SHARED_DATA");
  return root == nullptr ? std::filesystem::path() : std::filesystem::path(root);
}

// Whether the file or folder is there; says so when it is not.
inline bool has_shared(const std::filesystem::path& name) {
  if (!shared_data().empty() && std::filesystem::exists(shared_data() / name)) return true;
  MESSAGE("skipped: there is no ", name.string(), " below TROUPE_SHARED_DATA");
  return false;
}

inline std::string read_shared(const std::filesystem::path& name) {
  auto text = read_file(shared_data() / name);
  REQUIRE(text);
  return *std::move(text);
}

// One value per line.
inline std::vector<json_value> read_json_lines(const std::filesystem::path& name) {
  std::vector<json_value> rows;
  std::ifstream in(shared_data() / name);
  for (std::string line; std::getline(in, line);) {
    auto row = parse_json(line);
    REQUIRE_MESSAGE(row, (row ? std::string() : row.error().message));
    rows.push_back(*std::move(row));
  }
  REQUIRE(!rows.empty());
  return rows;
}

inline std::string string_of(const json_value& row, std::string_view key) {
  const json_value* value = row.find(key);
  REQUIRE(value != nullptr);
  REQUIRE(value->as_string() != nullptr);
  return *value->as_string();
}

inline bool bool_of(const json_value& row, std::string_view key) {
  const json_value* value = row.find(key);
  return value != nullptr && value->as_bool() != nullptr && *value->as_bool();
}

inline std::vector<std::int32_t> ids_of(const json_value& row, std::string_view key) {
  const json_value* value = row.find(key);
  REQUIRE(value != nullptr);
  REQUIRE(value->as_array() != nullptr);
  std::vector<std::int32_t> ids;
  for (const json_value& id : *value->as_array()) {
    REQUIRE(id.as_int() != nullptr);
    ids.push_back(static_cast<std::int32_t>(*id.as_int()));
  }
  return ids;
}

inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

}  // namespace troupe
