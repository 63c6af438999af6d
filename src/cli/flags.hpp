// Kinds of flags that the subcommands share. Each shows its default in --help in the form in which
// it is typed, so that a printed configuration reads back.
#pragma once
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace troupe {

// A time such as 250ms, 30s or 2m.
CLI::Option* add_time(CLI::App* app, const std::string& name, std::chrono::milliseconds& value,
                      const std::string& help);

// Bytes such as 64MiB or 1.5GB.
CLI::Option* add_bytes(CLI::App* app, const std::string& name, std::uint64_t& value,
                       const std::string& help);
// Without a default.
CLI::Option* add_bytes(CLI::App* app, const std::string& name, std::optional<std::uint64_t>& value,
                       const std::string& help);

// Yes or no: the flag alone, or with a "!--no-..." name beside it.
CLI::Option* add_switch(CLI::App* app, const std::string& names, bool& value,
                        const std::string& help);

// For numbers that bound something: nothing is not a bound.
inline CLI::Range at_least_one() { return CLI::Range(std::uint32_t{1}, std::uint32_t{1} << 30); }

// A flag that takes one of a few words.
template <class Value>
CLI::Option* add_choice(CLI::App* app, const std::string& name, Value& value,
                        std::map<std::string, Value> words, const std::string& help) {
  std::string names;
  for (auto& [word, meaning] : words) names += (names.empty() ? "{" : ",") + word;
  auto read = [&value, words](const std::string& text) { value = words.at(text); };
  auto* option = app->add_option_function<std::string>(name, read, help);
  for (auto& [word, meaning] : words)
    if (meaning == value) option->default_str(word);
  auto is_known = [words, names](const std::string& text) {
    return words.contains(text) ? "" : "expected one of " + names + "}: " + text;
  };
  return option->check(CLI::Validator(is_known, names + "}"))->type_name("");
}

}  // namespace troupe
