// An application of other things: a till counts what is sold. Beside it, in the same actor system,
// two engines: the model that is asked for, and one of random weights. Each has its own queue,
// pages and threads; one ends while the other goes on.
#include <caf/all.hpp>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "troupe/engine.hpp"

#ifndef SHOP_FIRST_TYPE_ID
#define SHOP_FIRST_TYPE_ID caf::first_custom_type_id
#endif

struct sold {
  std::string what;
  double price = 0;
};
struct how_much {};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sold& x) {
  return f(caf::meta::type_name("sold"), x.what, x.price);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, how_much&) {
  return f(caf::meta::type_name("how_much"));
}

CAF_BEGIN_TYPE_ID_BLOCK(shop, SHOP_FIRST_TYPE_ID)
CAF_ADD_TYPE_ID(shop, (sold))
CAF_ADD_TYPE_ID(shop, (how_much))
CAF_ADD_TYPE_ID(shop, (std::vector<sold>))
CAF_END_TYPE_ID_BLOCK(shop)

static_assert(caf::id_block::shop::end <= caf::id_block::troupe::begin ||
              caf::id_block::troupe::end <= caf::id_block::shop::begin);

using till = caf::typed_actor<caf::reacts_to<sold>, caf::replies_to<how_much>::with<double>>;

namespace {

using namespace std::chrono_literals;

till::behavior_type keep_till() {
  auto sum = std::make_shared<double>(0);
  return {[sum](const sold& one) { *sum += one.price; }, [sum](how_much) { return *sum; }};
}

// Tells one actor all that it hears of one request.
troupe::token_sink::behavior_type read_for(troupe::token_sink::pointer self,
                                           const caf::actor& listener) {
  return {[listener](const troupe::tokens_ready& news) { caf::anon_send(listener, news); },
          [self, listener](const troupe::finished& end) {
            caf::anon_send(listener, end);
            self->quit();
          }};
}

void submit(caf::scoped_actor& self, const troupe::engine& engine,
            troupe::generation_request request) {
  auto reader = self->spawn(read_for, caf::actor_cast<caf::actor>(self));
  self->request(engine.queue(), 10s, troupe::submit{std::move(request), reader})
      .receive([](const troupe::accepted&) {},
               [](const caf::error& why) {
                 std::cout << "refused: " << troupe::to_failure(why).message << '\n';
               });
}

troupe::generation_request make_request(const troupe::engine& engine, const std::string& prompt) {
  auto request = engine.make_request(engine.words()->encode(prompt));
  request.sampling.temperature = 0;
  request.sampling.max_tokens = 32;
  return request;
}

struct heard {
  std::vector<troupe::token_id> tokens;
  troupe::finish_reason why = troupe::finish_reason::failed;
};

// What comes until a request has ended. Ids of different engines may be equal: each ear listens to
// one of them.
heard listen(caf::scoped_actor& self) {
  heard out;
  for (bool is_open = true; is_open;)
    self->receive(
        [&](const troupe::tokens_ready& news) {
          for (auto& sampled : news.tokens) out.tokens.push_back(sampled.token);
        },
        [&](const troupe::finished& end) {
          out.why = end.why;
          is_open = false;
        });
  return out;
}

void ask_both(caf::actor_system& system, const std::string& model_dir, const std::string& prompt) {
  troupe::engine_options options{.model_dir = model_dir, .num_kv_pages = 256};
  options.max_model_len = 1024;
  options.threads = 1;
  auto first = troupe::start_engine(system, options);
  options.format = troupe::load_format::dummy;
  options.seed = 7;
  auto second = troupe::start_engine(system, options);
  if (!first || !second) {
    std::cout << "not started\n";
    return;
  }
  caf::scoped_actor ear{system}, other_ear{system};
  submit(ear, *first, make_request(*first, prompt));
  submit(other_ear, *second, make_request(*second, prompt));
  auto answer = listen(ear), other = listen(other_ear);
  std::cout << "first: " << first->words()->decode(answer.tokens, true) << '\n'
            << "second: " << (other.tokens.empty() ? "nothing" : "something else") << '\n';

  // One goes while it works; its request ends, too. The other does not notice.
  auto endless = make_request(*second, prompt);
  endless.sampling.ignore_eos = true;
  endless.sampling.max_tokens = 900;
  submit(other_ear, *second, std::move(endless));
  std::cout << "stopped: " << (second->stop() ? "yes" : "no") << ", its request "
            << troupe::to_string(listen(other_ear).why) << '\n';
  submit(ear, *first, make_request(*first, prompt));
  std::cout << "again: " << (listen(ear).tokens == answer.tokens ? "the same" : "another") << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " MODEL_DIR PROMPT\n";
    return 2;
  }
  caf::actor_system_config config;
  config.add_message_types<caf::id_block::shop>();
  troupe::enroll_cast(config);
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  auto desk = system.spawn(keep_till);
  caf::anon_send(desk, sold{"bread", 3.5});
  ask_both(system, argv[1], argv[2]);
  caf::anon_send(desk, sold{"cheese", 4});
  caf::scoped_actor self{system};
  self->request(desk, 10s, how_much{})
      .receive([](double sum) { std::cout << "till: " << sum << '\n'; },
               [](const caf::error&) { std::cout << "till: gone\n"; });
  return 0;
}
