#include "net_stage.hpp"

#include <unistd.h>

#include <caf/all.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <thread>
#include <vector>

#include "actors/ending.hpp"
#include "core/plan_step.hpp"
#include "text/json.hpp"
#include "text/pre_tokenizer.hpp"

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

// The byte alphabet of tokenizer.json: printable Latin-1 stands for itself, the rest for U+0100 on.
std::string spell_byte(int byte, int& next_other) {
  bool is_itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  int point = is_itself ? byte : 256 + next_other++;
  std::string out;
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else {
    out += static_cast<char>(0xC0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
  return out;
}

std::string tokenizer_json() {
  std::string vocab, pattern;
  int next_other = 0;
  for (int byte = 0; byte < 256; ++byte) {
    append_json_string(vocab, spell_byte(byte, next_other));
    vocab += ": " + std::to_string(byte) + (byte < 255 ? ", " : "");
  }
  append_json_string(pattern, pre_tokenizer_pattern);
  return R"({"added_tokens": [{"id": 256, "content": "<|endoftext|>", "special": true},
                              {"id": 257, "content": "<|im_end|>", "special": true}],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": )" +
         pattern + R"(}, "behavior": "Isolated"},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {)" +
         vocab + R"(}, "merges": []}})";
}

std::shared_ptr<const tokenizer> load_byte_words() {
  auto folder =
      std::filesystem::temp_directory_path() / ("troupe_net_test_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tokenizer.json") << tokenizer_json();
  auto words = tokenizer::load(folder);
  std::filesystem::remove_all(folder);
  if (!words) throw std::runtime_error(words.error().message);
  return std::make_shared<const tokenizer>(*std::move(words));
}

class fake_engine : public request_queue::base {
 public:
  fake_engine(caf::actor_config& config, std::shared_ptr<engine_script> script)
      : request_queue::base(config), script_(std::move(script)) {}

  behavior_type make_behavior() override {
    return {
        [this](submit& ask) { return admit(ask); },
        [this](const cancel& gone) { end_early(gone); },
        [](const take&) { return taken{}; },
        [](const take_back&) {},
        [this](const drain& ask) { closed_ = ask.why; },
        [this](const reopen&) { closed_.reset(); },
        [](const beat&) { return heartbeat{}; },
        [this](const tick&) { step(); },
    };
  }
  void on_exit() override { running_.clear(); }

 private:
  struct running_request {
    generation_request request;
    std::shared_ptr<ending> reader;
    int num_generated = 0;
  };

  caf::result<accepted> admit(submit& ask) {
    auto& s = *script_;
    ++s.num_submitted;
    if (closed_) return make_error(*closed_);
    if (s.is_full) return make_error({error_code::queue_full, "the queue is full", "", 2500ms});
    auto id = ask.request.id;
    auto reader = std::make_shared<ending>(id, ask.reader);
    running_[id.value] = {std::move(ask.request), std::move(reader)};
    s.num_running = static_cast<int>(running_.size());
    if (!std::exchange(is_ticking_, true)) delayed_send(this, pace(), tick{});
    return accepted{};
  }

  std::chrono::milliseconds pace() { return std::chrono::milliseconds{script_->pace_ms.load()}; }

  void end_early(const cancel& gone) {
    auto it = running_.find(gone.request.value);
    if (it == running_.end()) return;
    ++(gone.why == finish_reason::stop ? script_->num_stopped : script_->num_cancelled);
    finish(it, gone.why, {});
  }

  using place = std::map<std::uint64_t, running_request>::iterator;

  place finish(place it, finish_reason why, failure error) {
    auto& r = it->second;
    token_usage usage{.prompt_tokens = static_cast<std::uint32_t>(r.request.prompt.size()),
                      .cached_tokens = 1,
                      .completion_tokens = static_cast<std::uint32_t>(r.num_generated)};
    r.reader->finish(why, usage, std::move(error));
    it = running_.erase(it);
    script_->num_running = static_cast<int>(running_.size());
    return it;
  }

  void step() {
    is_ticking_ = false;
    auto& s = *script_;
    for (auto it = running_.begin(); it != running_.end();) it = generate(it);
    if (s.die_after >= 0 && ++num_steps_ > s.die_after) {
      if (s.dies_silently)
        s.unfinished = std::make_shared<decltype(running_)>(std::exchange(running_, {}));
      quit(caf::exit_reason::kill);
      return;
    }
    if (!running_.empty() && !std::exchange(is_ticking_, true)) delayed_send(this, pace(), tick{});
  }

  place generate(place it) {
    auto& s = *script_;
    auto& r = it->second;
    int num_now = s.pace_ms > 0 ? s.tokens_per_turn.load() : 1 << 20;
    std::vector<sampled_token> tokens;
    std::optional<finish_reason> end;
    std::vector<token_id> answer;
    for (auto byte : s.answer) answer.push_back(static_cast<unsigned char>(byte));
    while (num_now-- > 0 && !end && r.num_generated != s.fail_after &&
           r.num_generated != s.time_out_after) {
      auto& prompt = r.request.prompt;
      auto& words = s.answer.empty() ? prompt : answer;
      auto at = static_cast<std::size_t>(r.num_generated);
      bool is_over = r.num_generated == s.eos_after || (!s.answer.empty() && at == answer.size());
      auto token = is_over ? end_of_text : words[at % words.size()];
      ++r.num_generated;
      sampled_token sampled{.token = token, .logprob = -0.5F};
      if (r.request.sampling.num_logprobs > 0) sampled.most_likely = {{token, -0.5F}};
      tokens.push_back(std::move(sampled));
      end = ends_with(r.request, token, static_cast<std::uint32_t>(r.num_generated),
                      std::vector<token_id>{end_of_text});
    }
    if (!tokens.empty()) r.reader->tokens(std::move(tokens));
    if (r.num_generated == s.fail_after)
      return finish(it, finish_reason::failed,
                    {error_code::engine_failed, "a device broke", "", {}});
    if (r.num_generated == s.time_out_after)
      return finish(it, finish_reason::timed_out,
                    {error_code::timed_out, "it took too long", "", {}});
    return end ? finish(it, *end, {}) : std::next(it);
  }

  std::shared_ptr<engine_script> script_;
  std::map<std::uint64_t, running_request> running_;
  std::optional<failure> closed_;
  bool is_ticking_ = false;
  int num_steps_ = 0;
};

class fake_replica : public replica::base {
 public:
  fake_replica(caf::actor_config& config, std::shared_ptr<engine_script> script)
      : replica::base(config), script_(std::move(script)) {}
  behavior_type make_behavior() override {
    return {[this](const ask_status&) {
              bool is_ready = script_->is_ready;
              return replica_status{is_ready, is_ready ? "" : "the executor restarts", 0};
            },
            [](const tick&) {}};
  }

 private:
  std::shared_ptr<engine_script> script_;
};

caf::actor_system_config make_config() {
  caf::actor_system_config config;
  enroll_cast(config);
  config.set("scheduler.policy", caf::atom("sharing"));
  config.set("scheduler.max-threads", std::size_t{2});
  config.set("scheduler.max-throughput", std::size_t{64});
  return config;
}

service make_service(const request_queue& queue, const meter& observer, const replica& copy) {
  auto facts = byte_service();
  facts.queue = queue;
  facts.observer = observer;
  facts.copy = copy;
  return facts;
}

}  // namespace

std::shared_ptr<const tokenizer> byte_words() {
  static const auto words = load_byte_words();
  return words;
}

service byte_service() {
  service facts;
  facts.model_name = "byte-echo";
  facts.words = byte_words();
  auto chat = chat_template::load(TROUPE_DEMO_MODEL);
  if (!chat) throw std::runtime_error(chat.error().message);
  facts.chat = std::make_shared<const chat_template>(*std::move(chat));
  facts.limits.vocab_size = facts.words->vocab_size();
  facts.grammars = std::make_shared<const grammar_compiler>(
      facts.words, std::vector<token_id>{end_of_text}, facts.limits.vocab_size);
  facts.limits.max_model_len = 100'000;
  facts.limits.num_pages = 10'000;
  facts.limits.eos_token_ids = {end_of_text};
  facts.vocab_size = test_vocab_size;
  return facts;
}

struct net_stage::state {
  explicit state(server_options options) {
    options.port = 0;
    auto queue = caf::actor_cast<request_queue>(engine);
    auto facts = make_service(queue, observer, copy);
    facts.keeper = keeper;
    facts.store = store;
    front = std::make_unique<server>(system, std::move(facts), options);
    if (auto started = front->start(); !started) throw std::runtime_error(started.error().message);
  }
  ~state() {
    front->stop();
    for (auto& actor :
         {engine, caf::actor_cast<caf::actor>(observer), caf::actor_cast<caf::actor>(copy),
          caf::actor_cast<caf::actor>(keeper), caf::actor_cast<caf::actor>(store)})
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  }

  std::shared_ptr<engine_script> script = std::make_shared<engine_script>();
  caf::actor_system_config config = make_config();
  caf::actor_system system{config};
  meter observer = spawn_meter(system, "byte-echo");
  caf::actor engine = caf::actor_cast<caf::actor>(system.spawn<fake_engine>(script));
  replica copy = system.spawn<fake_replica>(script);
  gatekeeper keeper = spawn_gatekeeper(system);
  grammar_store store = spawn_grammar_store(system, {}, observer);
  std::unique_ptr<server> front;
};

net_stage::net_stage(server_options options) : state_(std::make_unique<state>(options)) {}
net_stage::~net_stage() = default;
engine_script& net_stage::script() { return *state_->script; }
server& net_stage::front() { return *state_->front; }
std::uint16_t net_stage::port() { return state_->front->port(); }

void net_stage::drain_engine() {
  failure why{error_code::shutting_down, "the server is shutting down", "", 5s};
  caf::anon_send(caf::actor_cast<request_queue>(state_->engine), drain{why, false});
}

bool eventually(const std::function<bool()>& what) {
  for (int i = 0; i < 1500; ++i) {
    if (what()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

}  // namespace troupe::test
