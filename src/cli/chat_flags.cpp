#include "cli/chat_flags.hpp"

#include <memory>
#include <optional>
#include <string>

#include "cli/chat.hpp"
#include "cli/flags.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

void add_answer_flags(CLI::App* command, chat_options& o) {
  const auto* group = "Answers";
  command
      ->add_option("--model", o.sampling.model, "Name of the model (default: the server's first)")
      ->group(group);
  command->add_option("--system", o.system, "System message")
      ->check([](const std::string& text) {
        return is_utf8(text) ? std::string{} : std::string("expected UTF-8");
      })
      ->group(group);
  command
      ->add_option_function<double>(
          "--temperature", [&o](double value) { o.sampling.temperature = value; },
          "0: the likeliest token (default: the server's)")
      ->check(CLI::Validator(
          [](const std::string& text) {
            double value = 0;
            // CLI::Range lets NaN pass.
            bool is_fit = CLI::detail::lexical_cast(text, value) && value >= 0 && value <= 100;
            return is_fit ? std::string{} : "expected a number from 0 to 100: " + text;
          },
          ""))
      ->group(group);
  command
      ->add_option_function<std::uint32_t>(
          "--max-tokens", [&o](std::uint32_t value) { o.sampling.max_tokens = value; },
          "Longest answer (default: the server's)")
      ->check(at_least_one())
      ->group(group);
  command
      ->add_option_function<std::int64_t>(
          "--seed", [&o](std::int64_t value) { o.sampling.seed = value; },
          "The same seed gives the same answers")
      ->group(group);
  auto whole = [&o] { o.sampling.stream = false; };
  command->add_flag_callback("--no-stream", whole, "Show each answer when it is whole")
      ->group(group);
}

void add_connection_flags(CLI::App* command, chat_options& o) {
  const auto* group = "Connection";
  command
      ->add_option("--api-key", o.api_key, "Of the server (or TROUPE_API_KEY, or OPENAI_API_KEY)")
      ->group(group);
  command
      ->add_option("--ca", o.client.ca_file, "Certificates to trust, PEM (default: the system's)")
      ->type_name("FILE")
      ->group(group);
  auto trust = [&o] { o.client.verify_certificate = false; };
  command->add_flag_callback("--insecure", trust, "Trust any certificate")->group(group);
  add_time(command, "--connect-timeout", o.client.connect_timeout, "For TCP and TLS")->group(group);
  add_time(command, "--idle-timeout", o.client.idle_timeout, "Longest silence of the server")
      ->group(group);
}

}  // namespace

void add_chat(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "chat", "Chat with a server: on a terminal, or a line of standard input for each turn");
  auto options = std::make_shared<chat_options>();
  command->add_option("url", options->url, "Of a server that speaks OpenAI's chat completions")
      ->type_name("URL")
      ->capture_default_str();
  add_answer_flags(command, *options);
  add_connection_flags(command, *options);
  command->callback([options, &status] { status = run_chat(*options); });
}

}  // namespace troupe
