// A CAF service with messages of its own. Prompts go past a moderator, which looks like the
// engine's queue to whoever asks; tokens come back through a log, which looks like any reader to
// the engine.
#include <caf/all.hpp>
#include <iostream>
#include <string>
#include <utility>

#include "troupe/engine.hpp"

// --- The service's own protocol ------------------------------------------------------------------

struct question {
  std::string text;
};
struct reply {
  std::string text;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, question& x) {
  return f(caf::meta::type_name("question"), x.text);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, reply& x) {
  return f(caf::meta::type_name("reply"), x.text);
}

CAF_BEGIN_TYPE_ID_BLOCK(moderated_service, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(moderated_service, (question))
CAF_ADD_TYPE_ID(moderated_service, (reply))
CAF_END_TYPE_ID_BLOCK(moderated_service)

using help_desk = caf::typed_actor<caf::replies_to<question>::with<reply>>;

namespace {

using namespace std::chrono_literals;

// --- Behind the engine: passes on what it reads, and says how it ended ---------------------------

troupe::token_sink::behavior_type log_answer(troupe::token_sink::pointer self,
                                             const troupe::token_sink& reader) {
  auto num_tokens = std::make_shared<std::size_t>(0);
  return {[self, reader, num_tokens](const troupe::tokens_ready& news) {
            *num_tokens += news.tokens.size();
            self->send(reader, news);
          },
          [self, reader, num_tokens](const troupe::finished& end) {
            std::cerr << "log: request " << end.request.value << ": " << *num_tokens << " tokens, "
                      << troupe::to_string(end.why) << '\n';
            self->send(reader, end);
            self->quit();
          }};
}

// --- In front of it: the interface of the queue, all of it ---------------------------------------

class moderator : public troupe::request_queue::base {
 public:
  moderator(caf::actor_config& config, troupe::request_queue next,
            std::shared_ptr<const troupe::tokenizer> words)
      : troupe::request_queue::base(config), next_(std::move(next)), words_(std::move(words)) {}

  const char* name() const override { return "moderator"; }
  void on_exit() override { next_ = nullptr; }

  behavior_type make_behavior() override {
    return {[this](troupe::submit& ask) { return look_at(ask); },
            [this](const troupe::cancel& gone) { return delegate(next_, gone); },
            [this](const troupe::take& ask) { return delegate(next_, ask); },
            [this](troupe::take_back& ask) { return delegate(next_, std::move(ask)); },
            [this](const troupe::drain& ask) { return delegate(next_, ask); },
            [this](const troupe::reopen& ask) { return delegate(next_, ask); },
            [this](const troupe::beat& ask) { return delegate(next_, ask); },
            [](const troupe::tick&) {}};
  }

 private:
  caf::result<troupe::accepted> look_at(troupe::submit& ask) {
    auto text = words_->decode(ask.request.prompt, false);
    if (text.find("password") != std::string::npos)
      return troupe::make_error({.code = troupe::error_code::invalid_argument,
                                 .message = "we do not speak of passwords",
                                 .field = "prompt"});
    ask.reader = spawn(log_answer, ask.reader);
    return delegate(next_, std::move(ask));
  }

  troupe::request_queue next_;
  std::shared_ptr<const troupe::tokenizer> words_;
};

// --- The service: a question becomes a request, its tokens become the reply ----------------------

class answerer : public troupe::token_sink::base {
 public:
  answerer(caf::actor_config& config, const troupe::engine& engine, troupe::request_queue front,
           const std::string& text, caf::typed_response_promise<reply> promise)
      : troupe::token_sink::base(config),
        request_(engine.make_request(engine.words()->encode(text))),
        front_(std::move(front)),
        text_(engine.words(), {}, request_.prompt),
        promise_(std::move(promise)) {
    request_.sampling.temperature = 0;
    request_.sampling.max_tokens = 32;
  }

  void on_exit() override { front_ = nullptr; }

  behavior_type make_behavior() override {
    request(front_, 10s, troupe::submit{request_, caf::actor_cast<troupe::token_sink>(this)})
        .then([](const troupe::accepted&) {},
              [this](const caf::error& why) {
                promise_.deliver(why);
                quit();
              });
    return {[this](const troupe::tokens_ready& news) {
              for (auto& sampled : news.tokens) text_.push(sampled.token);
            },
            [this](const troupe::finished& end) {
              text_.finish();
              if (end.error.message.empty())
                promise_.deliver(reply{text_.take()});
              else
                promise_.deliver(troupe::make_error(end.error));
              quit();
            }};
  }

 private:
  troupe::generation_request request_;
  troupe::request_queue front_;
  troupe::detokenizer text_;
  caf::typed_response_promise<reply> promise_;
};

help_desk::behavior_type run_help_desk(help_desk::pointer self, const troupe::engine* engine,
                                       const troupe::request_queue& front) {
  return {[self, engine, front](const question& asked) {
    auto promise = self->make_response_promise<reply>();
    self->spawn<answerer>(*engine, front, asked.text, promise);
    return promise;
  }};
}

void serve(caf::actor_system& system, const troupe::engine& engine, int argc, char** argv) {
  caf::scoped_actor self{system};
  auto front = self->spawn<moderator>(engine.queue(), engine.words());
  auto desk = self->spawn(run_help_desk, &engine, front);
  for (int i = 2; i < argc; ++i)
    self->request(desk, 60s, question{argv[i]})
        .receive([](const reply& said) { std::cout << "answer: " << said.text << '\n'; },
                 [](const caf::error& why) {
                   std::cout << "refused: " << troupe::to_failure(why).message << '\n';
                 });
  self->send_exit(desk, caf::exit_reason::user_shutdown);
  self->send_exit(front, caf::exit_reason::user_shutdown);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " MODEL_DIR PROMPT...\n";
    return 2;
  }
  caf::actor_system_config config;
  config.add_message_types<caf::id_block::moderated_service>();
  troupe::enroll_cast(config);
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  auto engine = troupe::start_engine(system, {.model_dir = argv[1], .kv_cache_bytes = 64U << 20});
  if (!engine) {
    std::cerr << engine.error().message << '\n';
    return 1;
  }
  serve(system, *engine, argc, argv);
  return 0;
}
