#include "cli/flags.hpp"

#include "cli/flag_values.hpp"

namespace troupe {
namespace {

template <class Bytes>
CLI::Option* add_bytes_to(CLI::App* app, const std::string& name, Bytes& value,
                          const std::string& help) {
  auto read = [&value, name](const std::string& text) {
    auto parsed = parse_bytes(text);
    if (!parsed) throw CLI::ValidationError(name, "expected bytes such as 64MiB or 1.5GB: " + text);
    value = *parsed;
  };
  return app->add_option_function<std::string>(name, read, help)->type_name("BYTES");
}

}  // namespace

CLI::Option* add_time(CLI::App* app, const std::string& name, std::chrono::milliseconds& value,
                      const std::string& help) {
  auto read = [&value, name](const std::string& text) {
    auto parsed = parse_time(text);
    if (!parsed)
      throw CLI::ValidationError(name, "expected a time such as 250ms, 30s or 2m: " + text);
    value = *parsed;
  };
  return app->add_option_function<std::string>(name, read, help)
      ->default_str(format_time(value))
      ->type_name("TIME");
}

CLI::Option* add_bytes(CLI::App* app, const std::string& name, std::uint64_t& value,
                       const std::string& help) {
  return add_bytes_to(app, name, value, help)->default_str(format_bytes(value));
}

CLI::Option* add_bytes(CLI::App* app, const std::string& name, std::optional<std::uint64_t>& value,
                       const std::string& help) {
  return add_bytes_to(app, name, value, help);
}

CLI::Option* add_switch(CLI::App* app, const std::string& names, bool& value,
                        const std::string& help) {
  auto* option = app->add_flag(names, value, help);
  // Help need not say that a flag is off until it is given.
  return value ? option->default_str("true") : option;
}

}  // namespace troupe
