#include "troupe/engine.hpp"

#include <atomic>
#include <exception>
#include <future>
#include <optional>
#include <utility>

#include "engine/apart.hpp"
#include "engine/check_request.hpp"
#include "engine/cuda_device.hpp"
#include "engine/house.hpp"
#include "text/structured_key.hpp"
#include "text/structured_source.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto metrics_timeout = 10s;

// Fulfils `gone` when the last copy of it is away.
std::shared_ptr<void> make_presence(const std::shared_ptr<std::promise<void>>& gone) {
  return {gone.get(), [gone](void*) { gone->set_value(); }};
}

struct loaded_model {
  planned_model plan;
  runner_factory runners;
};

outcome<loaded_model> load(engine_options options) {
  if (auto fine = check_options(options); !fine) return fine.error();
  auto settled = settle_device(options);
  if (!settled) return settled.error();
  options.device = settled->kind;
  auto plan = plan_model(options);
  if (!plan) return plan.error();
  auto runners = load_runners(*plan, options);
  if (!runners) return runners.error();
  return loaded_model{*std::move(plan), *std::move(runners)};
}

}  // namespace

struct engine::state {
  state(caf::actor_system& s, const engine_options& o, loaded_model model)
      : system(s),
        seed(o.seed),
        num_logits(model.plan.config.vocab_size),
        memory(to_text(model.plan.memory)),
        sampling(troupe::default_sampling(model.plan)),
        compiler(std::make_shared<const grammar_compiler>(
            model.plan.words, model.plan.limits.eos_token_ids, model.plan.limits.vocab_size)),
        plan(std::move(model.plan)) {
    auto gone = std::make_shared<std::promise<void>>();
    all_gone = gone->get_future();
    auto read = [how = compiler](const std::string& text) {
      return read_structured_source(text, how);
    };
    actors = open_house(system, plan, o, std::move(model.runners), make_presence(gone), read);
  }

  caf::actor_system& system;
  std::uint64_t seed;
  std::uint32_t num_logits;
  std::string memory;
  sampling_params sampling;
  std::shared_ptr<const grammar_compiler> compiler;
  planned_model plan;
  house actors;
  std::future<void> all_gone;
  std::atomic<std::uint64_t> num_requests = 0;
};

engine::engine(std::unique_ptr<state> s) : state_(std::move(s)) {}
engine::engine(engine&&) noexcept = default;
engine& engine::operator=(engine&& other) noexcept {
  if (this != &other) {
    stop();
    state_ = std::move(other.state_);
  }
  return *this;
}
engine::~engine() { stop(); }

const request_queue& engine::queue() const { return state_->actors.queue; }
const request_queue& engine::door() const { return state_->actors.door; }
const grammar_store& engine::grammars() const { return state_->actors.store; }
const meter& engine::observer() const { return state_->actors.observer; }
const std::string& engine::model_name() const { return state_->plan.name; }
const std::string& engine::device() const { return state_->plan.device; }
const std::string& engine::memory_plan() const { return state_->memory; }
const engine_limits& engine::limits() const { return state_->plan.limits; }
const sampling_params& engine::default_sampling() const { return state_->sampling; }
const std::shared_ptr<const tokenizer>& engine::words() const { return state_->plan.words; }

outcome<std::vector<token_id>> engine::chat_prompt(std::span<const chat_turn> turns) const {
  auto& chat = state_->plan.chat;
  if (!chat)
    return failure{error_code::unsupported, "the model has no chat template that we know", "", {}};
  if (turns.empty())
    return failure{error_code::invalid_argument, "the conversation has no turns", "messages", {}};
  json_array messages;
  for (auto& turn : turns)
    messages.emplace_back(json_object{{"role", turn.role}, {"content", turn.content}});
  auto prompt = chat->render(std::move(messages), nullptr, true);
  if (!prompt) return prompt.error();
  return words()->encode_parts(prompt->text, prompt->own);
}

outcome<grammar_source_ptr> engine::read_form(const answer_form& form) const {
  structured_request ask{.text = form.source, .field = "form"};
  switch (form.how) {
    case answer_form::kind::any: return grammar_source_ptr();
    case answer_form::kind::regex: ask.kind = structure_kind::regex; break;
    case answer_form::kind::grammar: ask.kind = structure_kind::grammar; break;
    case answer_form::kind::json_schema: {
      auto schema = parse_json(form.source);
      if (!schema)
        return failure{error_code::invalid_argument, "form: " + schema.error().message, "form", {}};
      ask = {.kind = structure_kind::schema, .schema = *std::move(schema), .field = "form"};
    }
  }
  return grammar_source_ptr(
      std::make_shared<const structured_source>(std::move(ask), state_->compiler));
}

generation_request engine::make_request(std::vector<token_id> prompt) const {
  const auto now = std::chrono::steady_clock::now();
  generation_request out{.id = {state_->num_requests.fetch_add(1) + 1},
                         .prompt = std::move(prompt),
                         .sampling = state_->sampling,
                         .arrival = now,
                         .deadline = now + limits().request_timeout};
  out.sampling.seed = draw_seed(state_->seed, out.id);
  return out;
}

refusal engine::check(const generation_request& request) const {
  return check_request(request, limits(), state_->num_logits);
}

outcome<std::string> engine::metrics() const {
  return run_apart<outcome<std::string>>([this]() -> outcome<std::string> {
    outcome<std::string> text = std::string();
    caf::scoped_actor self{state_->system};
    self->request(observer(), metrics_timeout, render{})
        .receive([&](std::string& answer) { text = std::move(answer); },
                 [&](const caf::error& why) { text = to_failure(why); });
    return text;
  });
}

bool engine::stop(std::chrono::milliseconds patience) {
  if (!state_) return true;
  caf::anon_send(queue(), drain{.why = {.code = error_code::shutting_down,
                                        .message = "the engine was stopped"},
                                .end_waiting = true});
  close_house(state_->actors);
  return state_->all_gone.wait_for(patience) == std::future_status::ready;
}

outcome<engine> start_engine(caf::actor_system& system, const engine_options& options) {
  try {
    auto model = load(options);
    if (!model) return name_members(model.error());
    auto make = [&] { return std::make_unique<engine::state>(system, options, *std::move(model)); };
    return engine(run_apart<std::unique_ptr<engine::state>>(make));
  } catch (const std::exception& error) {
    return failure{error_code::engine_failed,
                   std::string("the engine does not start: ") + error.what(),
                   "",
                   {}};
  }
}

std::string_view library_version() { return TROUPE_VERSION; }

}  // namespace troupe
