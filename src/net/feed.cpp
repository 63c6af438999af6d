#include "net/feed.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "core/plan_step.hpp"

namespace troupe {

using namespace std::chrono_literals;

struct feed_state {
  feed_state(std::shared_ptr<strand_event> news, shared_sum sum)
      : held(std::move(sum)), changed(std::move(news)) {}

  void end_with(answer_end end) {
    if (piece.end) return;
    piece.end = std::move(end);
    changed->notify();
  }

  answer_piece piece;  // what the reader has not taken yet
  held_bytes held;     // of it
  token_usage usage;   // as far as it is known here
  bool is_accepted = false;
  std::shared_ptr<strand_event> changed;
};

namespace {

// The queue answers from its own mailbox without asking anybody: more than this is a dead queue.
constexpr auto submit_timeout = 10s;

failure engine_gone() {
  return {.code = error_code::engine_failed, .message = "the engine stopped before the answer"};
}

}  // namespace

class feed_actor : public strand_hosted<token_sink::base> {
 public:
  feed_actor(caf::actor_config& config, const strand_home& home, feed_order order,
             std::shared_ptr<feed_state> state)
      : strand_hosted(config, home),
        order_(std::move(order)),
        words_(order_.words, order_.text, order_.request.prompt),
        state_(std::move(state)) {
    state_->usage.prompt_tokens = static_cast<std::uint32_t>(order_.request.prompt.size());
    set_exit_handler([this](const caf::exit_msg&) {
      end({.why = finish_reason::failed, .error = engine_gone()});
    });
    // Without this an exception would travel along the link and take the queue down.
    set_exception_handler([this](std::exception_ptr&) -> caf::error {
      withdraw();
      end({.why = finish_reason::failed, .error = engine_gone()});
      return caf::exit_reason::normal;
    });
  }

  const char* name() const override { return "feed"; }

  behavior_type make_behavior() override {
    if (!state_->piece.end) ask_queue();
    return {[this](const tokens_ready& news) { read(news); },
            [this](const finished& news) { conclude(news); }};
  }

  void on_exit() override {
    if (state_) state_->end_with({.why = finish_reason::failed, .error = engine_gone()});
    state_ = nullptr;
    order_ = {};
    strand_hosted::on_exit();
  }

 private:
  void ask_queue() {
    link_to(order_.queue);
    was_submitted_ = true;
    auto& r = order_.request;
    generation_request kept{.id = r.id, .sampling = r.sampling, .constraint = r.constraint};
    request(order_.queue, submit_timeout,
            submit{std::exchange(r, std::move(kept)), caf::actor_cast<token_sink>(this)})
        .then([this](const accepted&) { note_acceptance(); },
              [this](const caf::error& why) {
                // It may yet be accepted, and nobody would read the answer.
                if (why == caf::sec::request_timeout) withdraw();
                end({.why = finish_reason::failed, .error = to_failure(why)});
              });
  }

  void note_acceptance() {
    if (!state_) return;
    state_->is_accepted = true;
    state_->changed->notify();
  }

  void read(const tokens_ready& news) {
    if (!state_ || state_->piece.end || words_.matched_stop()) return;
    for (auto& sampled : news.tokens)
      if (read(sampled)) {
        // The engine's last word still comes: it knows how much of the prompt was cached.
        send(order_.queue, cancel{order_.request.id, finish_reason::stop});
        break;
      }
    take_text();
  }

  // True once a stop string is complete.
  bool read(const sampled_token& sampled) {
    auto num_tokens = ++state_->usage.completion_tokens;
    auto end = ends_with(order_.request, sampled.token, num_tokens, order_.eos_token_ids);
    bool is_stop_token = end == finish_reason::stop;
    if (is_stop_token) stop_token_ = sampled.token;
    bool has_text = !is_stop_token || order_.text.include_stop_str_in_output;
    bool is_over = has_text && words_.push(sampled.token);
    if (order_.wants_tokens) keep(sampled);
    return is_over;
  }

  void keep(const sampled_token& sampled) {
    auto& piece = state_->piece;
    piece.text += words_.take();
    piece.tokens.push_back({sampled, static_cast<std::uint32_t>(piece.text.size())});
  }

  void take_text() {
    auto& piece = state_->piece;
    piece.text += words_.take();
    auto num_pending = piece.text.size() + piece.tokens.size() * token_bytes();
    state_->held.set(num_pending);
    if (num_pending > order_.max_pending_bytes) {
      withdraw();
      account_for(state_->usage);
      end({.why = finish_reason::cancelled,
           .usage = state_->usage,
           .error = {.code = error_code::timed_out,
                     .message = "the answer was not read fast enough"}});
    } else if (!piece.text.empty() || !piece.tokens.empty()) {
      state_->changed->notify();
    }
  }

  void conclude(const finished& news) {
    // The reader left: this message is its own.
    if (state_->piece.end) {
      withdraw();
      account_for(state_->usage);
      quit();
      return;
    }
    words_.finish();
    state_->piece.text += words_.take();
    auto usage = news.usage;
    usage.prompt_tokens = state_->usage.prompt_tokens;
    usage.completion_tokens = state_->usage.completion_tokens;
    account_for(usage);
    answer_end last{.why = news.why, .usage = usage, .error = news.error};
    if (auto matched = words_.matched_stop()) {
      last.why = finish_reason::stop;
      last.matched_stop = std::string(*matched);
    } else if (last.why == finish_reason::stop) {
      last.stop_token = stop_token_;
    }
    end(std::move(last));
  }

  std::size_t token_bytes() const {
    auto num_likely = std::max(0, order_.request.sampling.num_logprobs);
    return sizeof(answer_token) + static_cast<std::size_t>(num_likely) * sizeof(token_logprob);
  }

  void account_for(const token_usage& usage) {
    if (order_.account) order_.account->spend(usage);
  }

  void withdraw() {
    if (was_submitted_) send(order_.queue, cancel{order_.request.id, finish_reason::cancelled});
  }

  void end(answer_end last) {
    if (state_) state_->end_with(std::move(last));
    quit();
  }

  feed_order order_;  // the prompt goes to the queue
  detokenizer words_;
  std::optional<token_id> stop_token_;
  bool was_submitted_ = false;
  std::shared_ptr<feed_state> state_;
};

feed::feed(caf::actor_system& system, const strand_home& home, std::shared_ptr<strand_event> news,
           feed_order order)
    : state_(std::make_shared<feed_state>(std::move(news), order.pending_bytes)),
      actor_(spawn_hosted<feed_actor>(system, home, std::move(order), state_)) {}

feed::~feed() { leave({.code = error_code::shutting_down, .message = "the reader left"}); }

bool feed::is_accepted() const { return state_->is_accepted; }

bool feed::has_failed() const {
  auto& end = state_->piece.end;
  return end && end->why != finish_reason::stop && end->why != finish_reason::length;
}

bool feed::has_news() const {
  auto& piece = state_->piece;
  return !was_ended_ && (piece.end || !piece.text.empty() || !piece.tokens.empty());
}

answer_piece feed::take() {
  auto& piece = state_->piece;
  answer_piece out = std::move(piece);
  // What remains says that the answer is over, so that late tokens and a late leave do nothing.
  piece = {};
  piece.end = out.end;
  state_->held.set(0);
  was_ended_ = out.end.has_value();
  return out;
}

void feed::leave(failure why) {
  if (state_->piece.end) return;
  state_->end_with(
      {.why = finish_reason::cancelled, .usage = state_->usage, .error = std::move(why)});
  caf::anon_send(actor_, finished{.why = finish_reason::cancelled});
}

}  // namespace troupe
