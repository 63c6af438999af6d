// Troupe in C++ without actors: futures, a callback, and an answer that must be JSON.
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include "troupe/client.hpp"

namespace {

int fail(const troupe::failure& why) {
  std::cerr << why.message << " (" << why.field << ")\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " MODEL_DIR PROMPT...\n";
    return 2;
  }
  auto client = troupe::start_client({.model_dir = argv[1], .kv_cache_bytes = 64U << 20});
  if (!client) return fail(client.error());
  auto options = client->defaults();
  options.sampling.temperature = 0;
  options.sampling.max_tokens = 32;

  // All prompts at once; the engine computes them together.
  std::vector<troupe::generation> running;
  for (int i = 2; i < argc; ++i) {
    auto started = client->generate(std::string(argv[i]), options);
    if (!started) return fail(started.error());
    running.push_back(*std::move(started));
  }
  for (auto& one : running) {
    auto answer = one.result.get();
    if (answer.why == troupe::finish_reason::failed) return fail(answer.error);
    std::cout << "answer: " << answer.text << '\n';
  }

  // Token by token.
  std::promise<void> over;
  auto started = client->generate(
      std::vector<troupe::chat_turn>{{"user", argv[2]}}, options,
      {.on_tokens = [](std::string_view text, auto&) { std::cout << text << std::flush; },
       .on_end = [&over](const troupe::answer&) { over.set_value(); }});
  if (!started) return fail(started.error());
  std::cout << "chat: ";
  over.get_future().wait();

  options.form = {troupe::answer_form::kind::json_schema, R"({"enum": ["yes", "no"]})"};
  auto formed = client->generate(std::string(argv[2]), options);
  if (!formed) return fail(formed.error());
  std::cout << "\njson: " << formed->result.get().text << '\n';

  options.form = {troupe::answer_form::kind::json_schema, "no JSON"};
  auto refused = client->generate(std::string(argv[2]), options);
  std::cout << "refused: " << (refused ? "nothing" : refused.error().field) << '\n';
  return 0;
}
