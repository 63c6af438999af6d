#include "engine/answer_actor.hpp"

#include <chrono>
#include <exception>
#include <map>
#include <string>

#include "core/plan_step.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

// The queue answers from its own mailbox without asking anybody: more than this is a dead queue.
constexpr auto submit_timeout = 10s;
// The store's own patience ends before.
constexpr auto compile_timeout = 30s;

failure engine_gone() {
  return {.code = error_code::engine_failed, .message = "the engine stopped before the answer"};
}

// A token_sink whose answer can be cancelled before the queue has its request.
using answer_reader = caf::typed_actor<caf::reacts_to<tokens_ready>, caf::reacts_to<finished>,
                                       caf::reacts_to<cancel>>;

class answer_actor : public answer_reader::base {
 public:
  answer_actor(caf::actor_config& config, const desk_parts& parts, answer_order order)
      : answer_reader::base(config),
        parts_(parts),
        order_(std::move(order)),
        words_(parts.words, order_.text, order_.request.prompt) {
    usage_.prompt_tokens = static_cast<std::uint32_t>(order_.request.prompt.size());
    set_exit_handler([this](const caf::exit_msg&) { fail(engine_gone()); });
    // Without this an exception would travel along the link and take the queue down.
    set_exception_handler([this](std::exception_ptr& thrown) -> caf::error {
      withdraw(finish_reason::cancelled);
      fail(describe(thrown));
      return caf::exit_reason::normal;
    });
  }

  const char* name() const override { return "answer"; }

  behavior_type make_behavior() override {
    link_to(parts_.queue);
    if (order_.form)
      compile();
    else
      submit_request();
    return {[this](const tokens_ready& news) { read(news); },
            [this](const finished& news) { conclude(news); },
            [this](const cancel& gone) { leave(gone.why); }};
  }

  void on_exit() override {
    order_ = {};  // its writer says that the answer failed, if nobody said how it ended
    parts_ = {};
  }

 private:
  static failure describe(const std::exception_ptr& thrown) {
    std::string what = "something unknown";
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      what = error.what();
    } catch (...) {
      // Nothing is known of it.
    }
    return {.code = error_code::engine_failed, .message = "a callback threw: " + what};
  }

  void compile() {
    request(parts_.store, compile_timeout, compile_grammar{order_.form})
        .then([this](const grammar_compiled& answer) { bind(*answer.made); },
              [this](const caf::error& why) { fail(to_failure(why)); });
  }

  void bind(const grammar_outcome<bound_grammar>& made) {
    if (!made)
      return fail({.code = made.error().code, .message = made.error().message(), .field = "form"});
    order_.request.constraint = made->constraint;
    submit_request();
  }

  void submit_request() {
    was_submitted_ = true;
    auto id = order_.request.id;
    auto sampling = order_.request.sampling;
    auto constraint = order_.request.constraint;
    submit ask{std::move(order_.request), caf::actor_cast<token_sink>(this)};
    order_.request = {.id = id, .sampling = sampling, .constraint = constraint};
    request(parts_.queue, submit_timeout, std::move(ask))
        .then([](const accepted&) {},
              [this](const caf::error& why) {
                // It may yet be accepted, and nobody would read the answer.
                if (why == caf::sec::request_timeout) withdraw(finish_reason::cancelled);
                fail(to_failure(why));
              });
  }

  void read(const tokens_ready& news) {
    if (!order_.writer || words_.matched_stop()) return;
    std::vector<sampled_token> read_tokens;
    for (auto& sampled : news.tokens) {
      read_tokens.push_back(sampled);
      if (is_text(sampled.token) && words_.push(sampled.token)) {
        // The engine's last word still comes: it knows how much of the prompt was cached.
        withdraw(finish_reason::stop);
        break;
      }
    }
    order_.writer->write(words_.take(), read_tokens);
  }

  bool is_text(token_id token) {
    auto end = ends_with(order_.request, token, ++usage_.completion_tokens, parts_.eos_token_ids);
    return end != finish_reason::stop || order_.text.include_stop_str_in_output;
  }

  void conclude(const finished& news) {
    if (!order_.writer) return;
    words_.finish();
    auto text = words_.take();
    if (!text.empty()) order_.writer->write(std::move(text), {});
    auto usage = news.usage;
    usage.prompt_tokens = usage_.prompt_tokens;
    usage.completion_tokens = usage_.completion_tokens;
    if (auto matched = words_.matched_stop())
      order_.writer->end(finish_reason::stop, usage, {}, std::string(*matched));
    else
      order_.writer->end(news.why, usage, news.error);
    quit();
  }

  void leave(finish_reason why) {
    if (was_submitted_) return withdraw(why);
    if (order_.writer) order_.writer->end(why, usage_);
    quit();
  }

  void withdraw(finish_reason why) {
    if (was_submitted_) send(parts_.queue, cancel{order_.request.id, why});
  }

  void fail(failure why) {
    auto code = why.code;
    if (order_.writer)
      order_.writer->end(
          code == error_code::timed_out ? finish_reason::timed_out : finish_reason::failed, usage_,
          std::move(why));
    quit();
  }

  desk_parts parts_;
  answer_order order_;
  detokenizer words_;
  token_usage usage_;
  bool was_submitted_ = false;
};

class desk_actor : public answer_desk::base {
 public:
  desk_actor(caf::actor_config& config, desk_parts parts)
      : answer_desk::base(config), parts_(std::move(parts)) {
    set_down_handler([this](const caf::down_msg& gone) {
      std::erase_if(open_, [&](const auto& one) { return one.second.address() == gone.source; });
    });
  }

  const char* name() const override { return "answer_desk"; }

  behavior_type make_behavior() override {
    return {[this](const open_answer& ask) { open(std::move(*ask.order)); },
            [this](const cancel& gone) {
              auto found = open_.find(gone.request.value);
              if (found != open_.end()) send(found->second, gone);
            }};
  }

  void on_exit() override {
    for (auto& [number, reader] : open_) anon_send_exit(reader, caf::exit_reason::user_shutdown);
    open_.clear();
    parts_ = {};
  }

 private:
  void open(answer_order order) {
    auto number = order.request.id.value;
    answer_reader reader = spawn<answer_actor>(parts_, std::move(order));
    monitor(reader);
    open_.emplace(number, reader);
  }

  desk_parts parts_;
  std::map<std::uint64_t, answer_reader> open_;  // by request
};

}  // namespace

answer_writer::~answer_writer() { end(finish_reason::failed, all_.usage, engine_gone()); }

void answer_writer::write(std::string text, const std::vector<sampled_token>& tokens) {
  if (is_ended_) return;
  all_.text += text;
  for (auto& sampled : tokens) all_.tokens.push_back(sampled.token);
  if (callbacks_.on_tokens && !(text.empty() && tokens.empty())) callbacks_.on_tokens(text, tokens);
}

void answer_writer::end(finish_reason why, token_usage usage, failure error,
                        std::string matched_stop) {
  if (std::exchange(is_ended_, true)) return;
  all_.why = why;
  all_.usage = usage;
  all_.error = std::move(error);
  all_.matched_stop = std::move(matched_stop);
  try {
    if (callbacks_.on_end) callbacks_.on_end(all_);
  } catch (...) {
    // Whoever was to hear of it threw it away.
  }
}

answer_desk spawn_answer_desk(caf::actor_system& system, desk_parts parts) {
  return system.spawn<desk_actor>(std::move(parts));
}

}  // namespace troupe
