#include "cli/api_key.hpp"

#include <cstdlib>

namespace troupe {
namespace {

std::string key_of(const std::string& given) {
  if (!given.empty()) return given;
  for (const auto* name : {"TROUPE_API_KEY", "OPENAI_API_KEY"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return "";
}

}  // namespace

outcome<std::string> find_api_key(const std::string& given) {
  auto key = key_of(given);
  for (char c : key)
    if (c <= ' ' || c >= 0x7F)
      return failure{error_code::invalid_argument, "--api-key: expected visible ASCII characters",
                     "api-key"};
  return key;
}

}  // namespace troupe
