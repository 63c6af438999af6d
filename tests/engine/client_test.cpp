// The library for hosts without actors: every request ends once, whatever happens.
#include "troupe/client.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "engine/answer_actor.hpp"
#include "engine/house.hpp"
#include "troupe/engine.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

client start(device_kind device = device_kind::sim, std::uint32_t max_queued = 1024) {
  engine_options options{.model_dir = TROUPE_DEMO_MODEL, .device = device};
  options.num_kv_pages = 128;
  options.max_model_len = 1024;
  options.max_num_seqs = 2;
  options.max_queued_requests = max_queued;
  options.threads = 1;
  auto made = start_client(options);
  REQUIRE(made);
  return *std::move(made);
}

generate_options long_answer(const client& from) {
  auto options = from.defaults();
  options.sampling.ignore_eos = true;
  options.sampling.max_tokens = 900;
  return options;
}

const prompt_source hello = std::string("Hello! Who are you?");

}  // namespace

TEST_CASE("text, tokens and futures of the real model agree") {
  auto one = start(device_kind::cpu);
  auto options = one.defaults();
  options.sampling.temperature = 0;
  options.sampling.max_tokens = 24;
  auto from_text = one.generate(hello, options);
  auto from_tokens = one.generate(one.words()->encode(std::get<std::string>(hello)), options);
  REQUIRE(from_text);
  REQUIRE(from_tokens);
  auto whole = from_text->result.get();
  CHECK(whole.error.message == "");
  CHECK_FALSE(whole.text.empty());
  CHECK(whole.usage.completion_tokens == whole.tokens.size());
  CHECK(from_tokens->result.get().text == whole.text);

  std::string pieces;
  std::vector<token_id> tokens;
  std::promise<answer> over;
  auto id = one.generate(hello, options,
                         {.on_tokens =
                              [&](std::string_view text, const std::vector<sampled_token>& more) {
                                pieces += text;
                                for (auto& sampled : more) tokens.push_back(sampled.token);
                              },
                          .on_end = [&](const answer& all) { over.set_value(all); }});
  REQUIRE(id);
  CHECK(over.get_future().get().text == whole.text);
  CHECK(pieces == whole.text);
  CHECK(tokens == whole.tokens);

  // The answer up to its third character's first appearance.
  options.stop = {whole.text.substr(2, 3)};
  auto stopped = one.generate(hello, options);
  REQUIRE(stopped);
  auto cut = stopped->result.get();
  CHECK(cut.why == finish_reason::stop);
  CHECK(cut.matched_stop == options.stop.front());
  CHECK(cut.text == whole.text.substr(0, whole.text.find(options.stop.front())));

  options.stop = {};
  options.form = {answer_form::kind::regex, "[0-9]{4}"};
  auto formed = one.generate(hello, options);
  REQUIRE(formed);
  auto digits = formed->result.get().text;
  CHECK(digits.size() == 4);
  CHECK(digits.find_first_not_of("0123456789") == std::string::npos);
}

TEST_CASE("seeds are the caller's, or drawn anew") {
  auto one = start(device_kind::cpu);
  auto options = one.defaults();
  options.sampling.temperature = 1;
  options.sampling.max_tokens = 24;
  auto text = [&] { return one.generate(hello, options)->result.get().tokens; };
  CHECK(text() != text());
  options.seed = 5;
  CHECK(text() == text());
}

TEST_CASE("what cannot run is refused at once, by member, without a callback") {
  auto one = start(device_kind::null);
  auto refuse = [&](const prompt_source& prompt, const generate_options& options) {
    auto refused = one.generate(prompt, options, {.on_end = [](const answer&) { FAIL("ended"); }});
    REQUIRE_FALSE(refused);
    return refused.error().field;
  };
  auto options = one.defaults();
  CHECK(refuse("", options) == "prompt");
  CHECK(refuse(std::vector<token_id>{1'000'000'000}, options) == "prompt");
  CHECK(refuse(std::vector<chat_turn>{}, options) == "messages");
  options.sampling.temperature = -1;
  CHECK(refuse(hello, options) == "temperature");
  options = one.defaults();
  options.sampling.max_tokens = 5000;
  CHECK(refuse(hello, options) == "max_tokens");
  options = one.defaults();
  options.stop = {""};
  CHECK(refuse(hello, options) == "stop");
  options = one.defaults();
  options.timeout = -1ms;
  CHECK(refuse(hello, options) == "timeout");
  options = one.defaults();
  options.form = {answer_form::kind::json_schema, "{"};
  CHECK(refuse(hello, options) == "form");
}

TEST_CASE("a form that cannot be enforced and a full queue are ends with a reason") {
  auto one = start(device_kind::sim, 1);
  auto options = one.defaults();
  options.form = {answer_form::kind::regex, "(?=x)"};
  auto formed = one.generate(hello, options);
  REQUIRE(formed);
  auto end = formed->result.get();
  CHECK(end.why == finish_reason::failed);
  CHECK(end.error.field == "form");

  std::vector<generation> all;
  for (int i = 0; i < 8; ++i) all.push_back(*one.generate(hello, long_answer(one)));
  int num_refused = 0;
  for (auto& each : all) {
    one.cancel(each.id);
    auto gone = each.result.get();
    if (gone.why == finish_reason::failed) {
      CHECK(gone.error.code == error_code::queue_full);
      ++num_refused;
    } else {
      CHECK(gone.why == finish_reason::cancelled);
    }
  }
  CHECK(num_refused >= 1);
}

TEST_CASE("cancel and deadlines end once") {
  auto one = start();
  std::atomic<int> num_ends = 0;
  std::promise<void> began;
  std::promise<finish_reason> over;
  std::atomic<bool> has_begun = false;
  auto id = one.generate(hello, long_answer(one),
                         {.on_tokens =
                              [&](std::string_view, auto&) {
                                if (!has_begun.exchange(true)) began.set_value();
                              },
                          .on_end =
                              [&](const answer& all) {
                                if (++num_ends == 1) over.set_value(all.why);
                              }});
  REQUIRE(id);
  began.get_future().wait();
  one.cancel(*id);
  one.cancel(*id);
  CHECK(over.get_future().get() == finish_reason::cancelled);
  one.cancel(*id);
  one.cancel({12345});
  auto options = long_answer(one);
  options.timeout = 20ms;
  auto late = one.generate(hello, options);
  REQUIRE(late);
  CHECK(late->result.get().why == finish_reason::timed_out);
  CHECK(num_ends == 1);
}

TEST_CASE("a client that goes ends everything once, and no callback comes later") {
  std::atomic<int> num_ends = 0;
  std::atomic<int> num_failed = 0;
  std::atomic<bool> is_gone = false;
  std::vector<generation> futures;
  {
    auto one = start();
    for (int i = 0; i < 6; ++i) {
      futures.push_back(*one.generate(hello, long_answer(one)));
      auto id = one.generate(hello, long_answer(one), {.on_end = [&](const answer& all) {
                               CHECK_FALSE(is_gone);
                               ++num_ends;
                               if (all.why == finish_reason::failed) ++num_failed;
                             }});
      REQUIRE(id);
    }
  }
  is_gone = true;
  CHECK(num_ends == 6);
  CHECK(num_failed == 6);
  for (auto& each : futures) CHECK(each.result.get().why == finish_reason::failed);
}

TEST_CASE("callbacks may throw, and may ask again") {
  auto one = start(device_kind::null);
  auto options = one.defaults();
  std::promise<answer> over;
  REQUIRE(
      one.generate(hello, options,
                   {.on_tokens = [](std::string_view, auto&) { throw std::runtime_error("no"); },
                    .on_end =
                        [&](const answer& all) {
                          over.set_value(all);
                          throw std::runtime_error("lost");
                        }}));
  auto end = over.get_future().get();
  CHECK(end.why == finish_reason::failed);
  CHECK(end.error.message == "a callback threw: no");

  std::promise<finish_reason> second;
  REQUIRE(one.generate(hello, options, {.on_end = [&](const answer&) {
                         auto again = one.generate(
                             hello, options,
                             {.on_end = [&](const answer& all) { second.set_value(all.why); }});
                         CHECK(bool(again));
                       }}));
  CHECK(second.get_future().get() != finish_reason::failed);
}

TEST_CASE("two clients and many threads") {
  auto one = start(device_kind::null), other = start(device_kind::null);
  std::atomic<int> num_whole = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      auto& mine = t % 2 == 0 ? one : other;
      for (int i = 0; i < 20; ++i) {
        auto said = mine.generate(hello, mine.defaults());
        if (said && said->result.get().error.message.empty()) ++num_whole;
      }
    });
  for (auto& each : threads) each.join();
  CHECK(num_whole == 80);
  auto text = one.metrics();
  REQUIRE(text);
  CHECK(text->find("troupe_") != std::string::npos);
}

TEST_CASE("a client that does not start says why") {
  auto bad = start_client({.model_dir = "/nonexistent-model"});
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message.find("nonexistent-model") != std::string::npos);
}

TEST_CASE("an answer that nobody finishes has failed, once; the first end counts") {
  std::vector<answer> ends;
  answer_callbacks callbacks{.on_end = [&](const answer& all) { ends.push_back(all); }};
  { answer_writer dropped(callbacks); }
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].why == finish_reason::failed);
  CHECK(ends[0].error.code == error_code::engine_failed);
  {
    answer_writer ended(callbacks);
    ended.write("ab", {{.token = 7}});
    ended.end(finish_reason::length, {.completion_tokens = 1});
    ended.end(finish_reason::stop, {});
    ended.write("later", {{.token = 8}});
  }
  REQUIRE(ends.size() == 2);
  CHECK(ends[1].why == finish_reason::length);
  CHECK(ends[1].text == "ab");
  CHECK(ends[1].tokens == std::vector<token_id>{7});
}

TEST_CASE("a desk that is gone ends what it is asked") {
  auto config = make_system_config();
  caf::actor_system system{config};
  auto desk = spawn_answer_desk(system, {});
  caf::scoped_actor self{system};
  self->send_exit(desk, caf::exit_reason::user_shutdown);
  self->wait_for(desk);
  int num_ends = 0;
  auto order = std::make_shared<answer_order>();
  order->writer = std::make_shared<answer_writer>(
      answer_callbacks{.on_end = [&](const answer&) { ++num_ends; }});
  caf::anon_send(desk, open_answer{std::move(order)});
  CHECK(num_ends == 1);
}
