// Where the values of a subcommand's flags come from: command line > environment > file > default.
// Works on whatever flags the subcommand has: a new flag needs nothing here.
#pragma once
#include <CLI/CLI.hpp>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "cli/config_file.hpp"

namespace troupe {

using environment = std::vector<std::pair<std::string, std::string>>;

// That of the process.
environment current_environment();

class config_sources {
 public:
  // To be called when the command has all its flags: adds --config and --print-config. What the
  // command requires may then come from any source, so the check is made by `complete`.
  explicit config_sources(CLI::App* command);

  // After the command line was read: gives the flags that it left open their values from the
  // environment and from the file. The failure names the file and line, or the variable.
  refusal complete(const environment& variables);

  bool only_print() const { return only_print_; }
  // TOML that reads back as the same configuration, with the origin of every value. Of secrets it
  // says only how many there are.
  void print(std::ostream& out) const { print(out, nullptr); }
  // Those of the flags that `is_meant`.
  void print(std::ostream& out, bool (*is_meant)(const CLI::Option&)) const;

 private:
  void defer_checks();
  CLI::Option* find(const std::string& key) const;
  std::string hint(const std::string& key) const;
  failure wrong_variable(const std::string& name) const;
  refusal take_variables(const environment& variables);
  refusal take_file();
  refusal check_place(const setting& one, std::map<std::string, std::string>& seen) const;
  refusal give(CLI::Option* option, const setting& one, const std::string& origin);
  refusal check_together() const;
  bool is_given(const CLI::Option* option) const;
  std::string origin(const CLI::Option* option) const;
  void print_value(std::ostream& out, const CLI::Option* option) const;

  CLI::App* command_;
  CLI::Option* config_ = nullptr;
  CLI::Option* print_ = nullptr;
  std::string path_;
  bool only_print_ = false;
  std::vector<CLI::Option*> required_;
  std::vector<std::pair<CLI::Option*, CLI::Option*>> needs_;  // the second is needed by the first
  std::map<const CLI::Option*, std::string> origins_;         // of what the command line left open
};

}  // namespace troupe
