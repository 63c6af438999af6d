#include "cli/config_sources.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "cli/nearest_name.hpp"

namespace troupe {
namespace {

constexpr std::string_view prefix = "TROUPE_";

// Read by the tools around the program.
constexpr std::array<std::string_view, 5> variables_of_tools = {
    "TROUPE_JOBS", "TROUPE_BINARY", "TROUPE_PATIENCE", "TROUPE_SHARED_DATA", "TROUPE_NODE_MODULES"};

constexpr auto precedence =
    "Every flag can also be set by a variable (TROUPE_MAX_NUM_SEQS for --max-num-seqs) or in a "
    "TOML file\n(max-num-seqs = 8). The command line goes before the environment, that before "
    "the file, that\nbefore the default.";

// What a flag is called in a file.
std::string key_of(const CLI::Option* option) {
  auto& names = option->get_lnames();
  return names.empty() ? option->get_name(true) : names.front();
}

std::string variable_of(std::string_view key) {
  std::string out(prefix);
  for (char c : key)
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string table_of(const std::string& group) {
  std::string out;
  for (char c : group) {
    auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) != 0) out += static_cast<char>(std::tolower(letter));
    if (c == ' ' || c == '-') out += '-';
  }
  return out;
}

bool is_flag(const CLI::Option* option) { return option->get_items_expected_max() == 0; }

// Between what a flag's key says and what the flag means: the opposite for one that is called
// --no-x and nothing else. The same in both directions.
std::string turned(const CLI::Option* option, const std::string& word) {
  return is_flag(option) ? option->get_flag_value(key_of(option), word) : word;
}

bool is_list(const CLI::Option* option) { return option->get_items_expected_max() > 1; }

// As text that the flag can read; CLI11 writes lists as "[a,b]".
std::vector<std::string> default_values(const CLI::Option* option) {
  auto text = option->get_default_str();
  if (is_flag(option) && text.empty()) return {"false"};
  if (!is_list(option) && !text.empty()) return {turned(option, text)};
  if (text.size() <= 2) return {};
  return CLI::detail::split(text.substr(1, text.size() - 2), ',');
}

bool is_secret(const std::string& key) {
  return key.ends_with("api-key") || key.ends_with("password") || key.ends_with("secret");
}

// Kubernetes gives every container the addresses of the services of its namespace, in variables
// that begin with the service's name.
bool is_service_link(std::string_view name, std::string_view value) {
  return name.starts_with("TROUPE_SERVICE_") || name.starts_with("TROUPE_PORT_") ||
         (name == "TROUPE_PORT" && value.starts_with("tcp://"));
}

failure wrong(std::string why) { return {error_code::invalid_argument, std::move(why), ""}; }

std::optional<std::string> yes_or_no(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (text == "true" || text == "1" || text == "yes" || text == "on") return "true";
  if (text == "false" || text == "0" || text == "no" || text == "off") return "false";
  return std::nullopt;
}

// What CLI11 says without the flag's name, which the message already has in its own form.
std::string reason(const CLI::Option* option, const CLI::Error& error, const std::string& value) {
  std::string what = error.what();
  auto name = option->get_name() + ": ";
  if (what.starts_with(name)) what.erase(0, name.size());
  if (dynamic_cast<const CLI::ConversionError*>(&error) == nullptr) return what;
  auto kind = option->get_type_name();
  std::string_view expected = kind.starts_with("UINT")    ? "a whole number that is not negative"
                              : kind.starts_with("INT")   ? "a whole number"
                              : kind.starts_with("FLOAT") ? "a number"
                                                          : std::string_view(kind);
  return "expected " + std::string(expected) + ", found \"" + value + "\"";
}

// A variable's text: a list where the flag takes one, and CLI11 does not cut it up itself.
setting from_variable(const CLI::Option* option, const std::string& name, std::string value) {
  setting one{.key = key_of(option), .origin = name};
  if (!is_list(option) || option->get_delimiter() != '\0') {
    one.values.push_back(std::move(value));
    return one;
  }
  for (auto& item : CLI::detail::split(value, ','))
    if (auto text = CLI::detail::trim_copy(item); !text.empty())
      one.values.push_back(std::move(text));
  return one;
}

}  // namespace

environment current_environment() {
  environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string text = *entry;
    auto at = text.find('=');
    if (at != std::string::npos) out.emplace_back(text.substr(0, at), text.substr(at + 1));
  }
  return out;
}

config_sources::config_sources(CLI::App* command) : command_(command) {
  defer_checks();
  const auto* group = "Configuration";
  config_ = command->add_option("--config", path_, "Read flags from a TOML file")
                ->type_name("FILE")
                ->group(group);
  print_ = command
               ->add_flag("--print-config", only_print_,
                          "Print the configuration with the origin of each value, and leave")
               ->group(group);
  command->footer(precedence);
}

// CLI11 looks at the command line alone.
void config_sources::defer_checks() {
  for (auto* option : command_->get_options()) {
    if (option->get_required()) {
      required_.push_back(option->required(false));
      option->description(option->get_description() + " (required)");
    }
    for (auto* needed : option->get_needs()) {
      needs_.emplace_back(option, needed);
      option->remove_needs(needed);
    }
  }
}

CLI::Option* config_sources::find(const std::string& key) const {
  for (auto* option : command_->get_options())
    if (option != print_ && option != command_->get_help_ptr() && key_of(option) == key)
      return option;
  return nullptr;
}

std::string config_sources::hint(const std::string& key) const {
  std::vector<std::string> known;
  for (auto* option : command_->get_options())
    if (find(key_of(option)) != nullptr) known.push_back(key_of(option));
  return nearest_name(key, known);
}

refusal config_sources::complete(const environment& variables) {
  if (auto done = take_variables(variables); !done) return done;
  if (auto done = take_file(); !done) return done;
  return check_together();
}

refusal config_sources::take_variables(const environment& variables) {
  std::map<std::string, CLI::Option*> known;
  for (auto* option : command_->get_options())
    if (auto key = key_of(option); find(key) != nullptr) known.emplace(variable_of(key), option);
  for (auto& [name, value] : variables) {
    if (!name.starts_with(prefix) || value.empty() || is_service_link(name, value)) continue;
    if (std::ranges::find(variables_of_tools, name) != variables_of_tools.end()) continue;
    auto found = known.find(name);
    if (found == known.end()) return wrong_variable(name);
    if (found->second->count() > 0) continue;
    auto one = from_variable(found->second, name, value);
    if (auto done = give(found->second, one, "environment " + name); !done) return done;
  }
  return nothing{};
}

failure config_sources::wrong_variable(const std::string& name) const {
  auto key = name.substr(prefix.size());
  for (char& c : key)
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  auto nearest = hint(key);
  return wrong("unknown variable " + name +
               (nearest.empty() ? "" : "; did you mean " + variable_of(nearest) + "?"));
}

refusal config_sources::take_file() {
  if (config_->count() == 0) return nothing{};
  auto settings = read_config_file(path_);
  if (!settings) return wrong("--config: " + settings.error().message);
  std::map<std::string, std::string> seen;
  for (auto& one : *settings) {
    if (auto done = check_place(one, seen); !done) return done;
    auto* option = find(one.key);
    if (option->count() > 0) continue;
    if (auto done = give(option, one, "file " + one.origin); !done) return done;
  }
  return nothing{};
}

// That the key and its table exist, and that no other spelling of it was there before.
refusal config_sources::check_place(const setting& one,
                                    std::map<std::string, std::string>& seen) const {
  if (!one.table.empty()) {
    std::vector<std::string> tables;
    for (auto* option : command_->get_options())
      if (find(key_of(option)) != nullptr) tables.push_back(table_of(option->get_group()));
    if (std::ranges::find(tables, one.table) == tables.end()) {
      auto nearest = nearest_name(one.table, tables);
      return wrong(one.origin + ": unknown table [" + one.table + "]" +
                   (nearest.empty() ? "" : "; did you mean [" + nearest + "]?"));
    }
  }
  auto* option = find(one.key);
  if (option == nullptr || option == config_) {
    auto nearest = hint(one.key);
    return wrong(one.origin + ": unknown key " + one.key +
                 (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
  }
  auto [earlier, is_new] = seen.emplace(one.key, one.origin);
  if (is_new) return nothing{};
  return wrong(one.origin + ": " + one.key + " was given before, at " + earlier->second);
}

refusal config_sources::give(CLI::Option* option, const setting& one, const std::string& origin) {
  bool is_variable = one.origin.starts_with(prefix);
  auto place = is_variable ? one.origin + ": " : one.origin + ": " + one.key + ": ";
  if (one.is_array && !is_list(option)) return wrong(place + "expected one value, found an array");
  if (one.values.empty()) return nothing{};
  for (auto& value : one.values) {
    auto word = is_flag(option) ? yes_or_no(value) : value;
    if (!word) return wrong(place + "expected true or false, found \"" + value + "\"");
    option->add_result(turned(option, *word));
  }
  try {
    option->run_callback();
  } catch (const CLI::Error& error) {
    return wrong(place + reason(option, error, one.values.front()));
  }
  origins_[option] = origin;
  return nothing{};
}

bool config_sources::is_given(const CLI::Option* option) const {
  return option->count() > 0 &&
         !(is_flag(option) && turned(option, option->results().back()) == "false");
}

refusal config_sources::check_together() const {
  auto name = [this](const CLI::Option* option) {
    return key_of(option) + " (" + origin(option) + ")";
  };
  for (auto* option : command_->get_options())
    for (auto* other : option->get_excludes())
      if (is_given(option) && is_given(other))
        return wrong(name(option) + " excludes " + name(other));
  for (auto& [option, needed] : needs_)
    if (is_given(option) && !is_given(needed))
      return wrong(name(option) + " needs --" + key_of(needed));
  if (only_print_) return nothing{};
  for (auto* option : required_)
    if (option->count() == 0)
      return wrong(key_of(option) + " is required: give it as an argument, in " +
                   variable_of(key_of(option)) + " or in the file of --config");
  return nothing{};
}

std::string config_sources::origin(const CLI::Option* option) const {
  auto found = origins_.find(option);
  if (found != origins_.end()) return "from " + found->second;
  return option->count() > 0 ? "from command line" : "default";
}

void config_sources::print_value(std::ostream& out, const CLI::Option* option) const {
  auto key = key_of(option);
  auto values = option->count() > 0 ? option->results() : default_values(option);
  if (is_flag(option) && option->count() > 0) values = {turned(option, values.back())};
  for (auto* other : option->get_excludes())
    if (option->count() == 0 && is_given(other)) values.clear();
  if (values.empty()) {
    out << "# " << key << " is not set\n";
  } else if (is_secret(key)) {
    out << "# " << key << ": " << values.size() << " not shown  # " << origin(option) << '\n';
  } else {
    out << key << " = " << (is_list(option) ? "[" : "");
    for (std::size_t i = 0; i < values.size(); ++i)
      out << (i > 0 ? ", " : "") << toml_value(values[i]);
    out << (is_list(option) ? "]" : "") << "  # " << origin(option) << '\n';
  }
}

void config_sources::print(std::ostream& out, bool (*is_meant)(const CLI::Option&)) const {
  // In the order of --help: by group.
  for (auto& group : command_->get_groups()) {
    bool is_first = true;
    for (auto* option : command_->get_options()) {
      if (option->get_group() != group || option == config_ || !find(key_of(option))) continue;
      if (is_meant && !is_meant(*option)) continue;
      if (is_first) out << "# " << group << '\n';
      is_first = false;
      print_value(out, option);
    }
    if (!is_first) out << '\n';
  }
}

}  // namespace troupe
