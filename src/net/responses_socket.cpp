#include "net/responses_socket.hpp"

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <utility>

#include "net/gate.hpp"
#include "net/server_log.hpp"
#include "net/websocket_entry.hpp"
#include "text/json.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_waiting = 16;

http_error breach(std::string message) {
  return {.message = std::move(message), .param = "type", .code = "invalid_value"};
}

// The body of POST /v1/responses that the frame holds: all but its type, and streamed.
std::string body_of(const json_object& frame) {
  json_object body;
  for (auto& [name, value] : frame)
    if (name != "type" && name != "stream") body.emplace_back(name, value);
  body.emplace_back("stream", true);
  std::string text;
  append_json(text, body);
  return text;
}

std::string error_frame(const http_error& why) {
  auto text = error_body(why, error_style::openai);
  auto seconds = retry_after_seconds(why);
  auto again = seconds ? R"("retry_after":)" + std::to_string(*seconds) + "," : std::string();
  return R"({"type":"error","status":)" + std::to_string(why.status) + "," + again + text.substr(1);
}

class frame_list : public event_sink {
 public:
  void event(std::string_view, std::string_view json) override { frames.emplace_back(json); }
  std::deque<std::string> frames;
};

}  // namespace

responses_socket::responses_socket(exchange& turn)
    : turn_(turn), work_(turn.home().strand), left_(turn.home().strand) {}

responses_socket::~responses_socket() {
  if (socket_) turn_.take_line({});
}

asio::awaitable<void> responses_socket::run() {
  exchange::line_keeper keeper{.wind_up =
                                   [this] {
                                     is_winding_up_ = true;
                                     work_.notify();
                                   },
                               .end = [this](const failure& why) { end(why); }};
  socket_ = co_await enter_websocket(turn_, std::move(keeper));
  if (!socket_) co_return;
  if (turn_.house().is_draining) is_winding_up_ = true;
  is_answering_ = true;
  auto finish = [this](std::exception_ptr thrown) {
    if (thrown) log_thrown("the answers of a WebSocket", thrown);
    if (thrown) socket_->abort();
    is_answering_ = false;
    left_.notify();
  };
  asio::co_spawn(turn_.home().strand, answer_all(), std::move(finish));
  co_await read_all();
  is_over_ = true;
  end({.code = error_code::shutting_down, .message = "the client left"});
  while (is_answering_) co_await left_.wait();
}

asio::awaitable<void> responses_socket::read_all() {
  std::string message;
  for (;;) {
    bool was_read = co_await socket_->receive(message);
    if (!was_read) co_return;
    take(std::move(message));
    work_.notify();
  }
}

void responses_socket::take(std::string message) {
  auto json = parse_json(message);
  auto* frame = json ? json->as_object() : nullptr;
  auto* type = json ? json->find("type") : nullptr;
  auto* name = type == nullptr ? nullptr : type->as_string();
  if (frame == nullptr)
    breach_ = breach("a frame must be a JSON object");
  else if (name != nullptr && *name == "response.cancel" && feeds_)
    feeds_->leave({.code = error_code::shutting_down, .message = "the client cancelled it"});
  else if (name == nullptr || *name != "response.create")
    breach_ = breach("type must be response.create, or response.cancel while an answer runs");
  else if (waiting_.size() >= max_waiting)
    breach_ = http_error{.status = 429,
                         .message = "16 responses wait already on this connection",
                         .code = "too_many_responses"};
  else
    waiting_.push_back(body_of(*frame));
}

asio::awaitable<void> responses_socket::answer_all() {
  while (!is_over_) {
    if (breach_) {
      auto why = *std::exchange(breach_, std::nullopt);
      bool was_sent = co_await refuse(why);
      if (!was_sent) co_return;
    } else if (!waiting_.empty() && !is_winding_up_) {
      auto body = std::move(waiting_.front());
      waiting_.pop_front();
      bool goes_on = co_await answer(std::move(body));
      if (!goes_on) co_return;
    } else if (is_winding_up_) {
      co_await socket_->close(close_code::going_away, "the server is shutting down");
      co_return;
    } else {
      co_await work_.wait();
    }
  }
}

call responses_socket::make_call() {
  auto who = turn_.as_call();
  who.account = std::make_shared<token_account>();
  who.number = turn_.house().next_id();
  who.id.append(".").append(std::to_string(++num_started_));
  who.arrival = std::chrono::steady_clock::now();
  return who;
}

asio::awaitable<bool> responses_socket::answer(std::string body) {
  auto who = make_call();
  auto objection = co_await count_call(who.house, who.home, who.client);
  if (objection) co_return co_await refuse(*objection);
  auto& how = *find_dialect("/v1/responses");
  auto planned = co_await plan_call(who, how, body);
  if (!planned.plan) {
    auto why = to_http_error(planned.plan.error());
    co_return co_await refuse(why);
  }
  objection = co_await charge(who, *planned.plan);
  if (objection) co_return co_await refuse(*objection);
  co_return co_await stream(who, *std::move(planned.plan));
}

asio::awaitable<bool> responses_socket::stream(const call& who, answer_plan plan) {
  frame_list events;
  feeds_ = std::make_unique<feed_group>(who.house.system, who.home, make_orders(who, plan));
  bool has_begun = false;
  bool is_over = false;
  while (!is_over) {
    auto news = co_await feeds_->next();
    auto& piece = news.piece;
    std::optional<http_error> failed;
    if (piece.end && !is_answer(*piece.end)) {
      failed = to_http_error(*piece.end);
      piece.end.reset();
    }
    if (failed && !has_begun && piece.text.empty()) {
      feeds_.reset();
      co_return co_await refuse(*failed);
    }
    has_begun = true;
    bool has_something = piece.end || !piece.text.empty() || !piece.tokens.empty();
    if (has_something) plan.writer->write(events, news.choice, std::move(piece));
    is_over = failed || feeds_->is_over();
    if (failed)
      plan.writer->fail(events, *failed);
    else if (is_over)
      plan.writer->finish(events);
    for (auto& frame : std::exchange(events.frames, {})) {
      bool was_sent = co_await socket_->send(frame);
      if (!was_sent) co_return false;
    }
  }
  feeds_.reset();
  co_return true;
}

asio::awaitable<bool> responses_socket::refuse(const http_error& why) {
  auto frame = error_frame(why);
  co_return co_await socket_->send(frame);
}

void responses_socket::end(const failure& why) {
  if (feeds_) feeds_->leave(why);
  is_winding_up_ = true;
  work_.notify();
}

}  // namespace troupe
