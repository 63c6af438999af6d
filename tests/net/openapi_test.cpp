// openapi.json and the routes say the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "net/route_table.hpp"
#include "net/web_files.hpp"
#include "text/json.hpp"

namespace troupe::test {
namespace {

// "POST /generate"; parameters of a path are {}.
std::string operation(std::string method, std::string path) {
  std::ranges::transform(method, method.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  auto begin = path.find('{');
  if (begin != std::string::npos) path.erase(begin + 1, path.find('}') - begin - 1);
  return method + " " + path;
}

std::set<std::string> documented() {
  auto file = std::ranges::find(web_files(), "/openapi.json", &web_file::path);
  REQUIRE(file != web_files().end());
  auto json = parse_json(file->bytes);
  REQUIRE(json);
  std::set<std::string> out;
  for (auto& [path, item] : *json->find("paths")->as_object())
    for (auto& [method, details] : *item.as_object()) out.insert(operation(method, path));
  return out;
}

std::set<std::string> served() {
  std::set<std::string> out;
  for (auto& route : all_routes()) {
    bool is_page = std::ranges::find(web_files(), route.path, &web_file::path) != web_files().end();
    if (!is_page) out.insert(operation(std::string(route.method), std::string(route.path)));
  }
  return out;
}

TEST_CASE("every route is in openapi.json, and nothing else") { CHECK(documented() == served()); }

}  // namespace
}  // namespace troupe::test
