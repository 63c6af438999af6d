#include "load/reference.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace troupe::load {
namespace {

// Far from the keys of schedules, which count from 0, and of users, which have 40 bits.
constexpr std::uint64_t first_key = std::uint64_t{1} << 50;

asio::awaitable<void> ask(asio::io_context& io, const load_setup& setup, const run_clock& clock,
                          const std::string& message, answer_reader& answer, std::string& why) {
  auto line = make_connection(io, setup.to, clock);
  why = co_await line->open();
  if (why.empty()) why = co_await line->exchange(message, answer);
}

}  // namespace

outcome<std::vector<canary>> ask_canaries(const load_setup& setup, std::uint32_t count) {
  std::vector<canary> out;
  auto& where = setup.to.options.where;
  auto head = http_head("POST", where.path + std::string(path_of(setup.form.api)),
                        where.authority(), setup.to.options.bearer_token);
  run_clock clock(run_clock::steady::now());
  for (std::uint32_t i = 0; i < count; ++i) {
    auto talk = setup.prompts->make(first_key + i);
    talk.turns.resize(1);
    talk.max_tokens.resize(1);
    auto body = setup.form.body(talk, 0, {}, true);
    auto message = setup.form.is_websocket
                       ? websocket_frame(std::to_string(i), path_of(setup.form.api), body)
                       : http_request(head, body);
    answer_reader answer(setup.form.api, true);
    std::string why;
    asio::io_context io;
    asio::co_spawn(io, ask(io, setup, clock, message, answer, why), asio::detached);
    io.run();
    if (why.empty()) why = answer.failure;
    if (!why.empty())
      return failure{error_code::unavailable,
                     "a canary was not answered before the run: " + why + " " + answer.problem, ""};
    out.push_back({std::move(talk), std::move(answer.text)});
  }
  return out;
}

}  // namespace troupe::load
