#include "net/generation_socket.hpp"

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <utility>

#include "net/dialect.hpp"
#include "net/gate.hpp"
#include "net/server_frame.hpp"
#include "net/server_log.hpp"
#include "net/websocket_entry.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_reply_bytes = 64 << 10;

http_error too_many_generations(std::size_t limit) {
  return {.status = 429,
          .message = "the connection runs " + std::to_string(limit) +
                     " generations already, which is as many as it may",
          .code = "too_many_generations"};
}

failure unknown_id(const std::string& id) {
  return {.code = error_code::not_found,
          .message = "no generation \"" + id + "\" runs on this connection; it may have ended",
          .field = "id"};
}

}  // namespace

generation_socket::generation_socket(exchange& turn)
    : turn_(turn),
      work_(std::make_shared<strand_event>(turn.home().strand)),
      room_(turn.home().strand) {}

generation_socket::~generation_socket() {
  if (socket_) turn_.take_line({});
}

asio::awaitable<void> generation_socket::run() {
  exchange::line_keeper keeper{.wind_up = [this] { wind_up(); },
                               .end = [this](const failure& why) { end_all(why); }};
  socket_ = co_await enter_websocket(turn_, std::move(keeper));
  if (!socket_) co_return;
  if (turn_.house().is_draining) is_winding_up_ = true;
  is_writing_ = true;
  auto left = [this](std::exception_ptr thrown) { end_writing(std::move(thrown)); };
  asio::co_spawn(turn_.home().strand, write_all(), std::move(left));
  std::exception_ptr thrown;
  try {
    co_await read_all();
  } catch (...) {
    thrown = std::current_exception();
    socket_->abort();
  }
  is_over_ = true;
  answers_.clear();
  work_->notify();
  while (is_writing_) co_await room_.wait();
  if (thrown) std::rethrow_exception(thrown);
}

asio::awaitable<void> generation_socket::read_all() {
  std::string message;
  for (;;) {
    bool was_read = co_await socket_->receive(message);
    if (!was_read) co_return;
    auto reading = read_client_frame(message);
    if (reading.frame) {
      co_await obey(*std::move(reading.frame));
    } else {
      // An error with the id of a generation that runs would be taken for its end.
      if (answers_.contains(reading.id)) reading.id.clear();
      refuse(reading.id, reading.frame.error());
    }
    while (num_reply_bytes_ >= max_reply_bytes && is_writing_) co_await room_.wait();
  }
}

asio::awaitable<void> generation_socket::obey(client_frame frame) {
  if (auto* wanted = std::get_if<generate_frame>(&frame)) {
    co_await start(std::move(*wanted));
  } else if (auto* ping = std::get_if<ping_frame>(&frame)) {
    reply(pong_frame(ping->id));
  } else if (auto* grant = std::get_if<credit_frame>(&frame)) {
    auto* answer = find_or_refuse(grant->id);
    if (answer != nullptr) answer->grant(grant->num_frames);
  } else if (auto* stop = std::get_if<cancel_frame>(&frame)) {
    auto* answer = find_or_refuse(stop->id);
    if (answer != nullptr) answer->cancel();
  }
  work_->notify();
}

framed_answer* generation_socket::find_or_refuse(const std::string& id) {
  auto found = answers_.find(id);
  if (found != answers_.end()) return found->second.get();
  refuse("", unknown_id(id));
  return nullptr;
}

asio::awaitable<void> generation_socket::start(generate_frame frame) {
  if (answers_.contains(frame.id)) {
    refuse("", {.message = "a generation \"" + frame.id + "\" runs already", .field = "id"});
    co_return;
  }
  auto limit = turn_.house().options.max_generations_per_connection;
  if (answers_.size() >= limit) {
    reply(error_frame(frame.id, too_many_generations(limit)));
    co_return;
  }
  auto* how = find_dialect(frame.path);
  if (how == nullptr) {
    refuse(frame.id, {.code = error_code::not_found,
                      .message = "no API that generates has this path",
                      .field = "path"});
    co_return;
  }
  auto who = turn_.as_call();
  who.account = std::make_shared<token_account>();
  who.number = turn_.house().next_id();
  who.id.append(".").append(std::to_string(++num_started_));
  who.arrival = std::chrono::steady_clock::now();
  auto objection = co_await count_call(who.house, who.home, who.client);
  if (objection) {
    reply(error_frame(frame.id, *objection));
    co_return;
  }
  auto planned = co_await plan_call(who, *how, frame.body);
  if (!planned.plan) {
    refuse(frame.id, planned.plan.error());
    co_return;
  }
  objection = co_await charge(who, *planned.plan);
  if (objection) {
    reply(error_frame(frame.id, *objection));
    co_return;
  }
  answers_[frame.id] = std::make_unique<framed_answer>(frame.id, who, *std::move(planned.plan),
                                                       credit_account(frame.credit), work_);
}

void generation_socket::refuse(std::string_view id, const failure& why) {
  reply(error_frame(id, to_http_error(why)));
}

void generation_socket::reply(std::string frame) {
  num_reply_bytes_ += frame.size();
  replies_.push_back(std::move(frame));
  work_->notify();
}

asio::awaitable<void> generation_socket::write_all() {
  while (!is_over_) {
    auto frame = next_frame();
    if (frame) {
      bool was_sent = co_await socket_->send_with_next(*frame);
      if (!was_sent) co_return;
      continue;
    }
    bool was_flushed = co_await socket_->flush();
    if (!was_flushed) co_return;
    if (is_winding_up_ && answers_.empty() && replies_.empty()) {
      co_await socket_->close(close_code::going_away, "the server is shutting down");
      co_return;
    }
    co_await work_->wait();
  }
  co_await socket_->flush();
}

std::optional<std::string> generation_socket::next_frame() {
  if (replies_.empty()) return next_frame_of_answers();
  auto frame = std::move(replies_.front());
  replies_.pop_front();
  num_reply_bytes_ -= frame.size();
  room_.notify();
  return frame;
}

std::optional<std::string> generation_socket::next_frame_of_answers() {
  auto it = answers_.upper_bound(last_served_);
  for (auto i = answers_.size(); i > 0; --i, ++it) {
    if (it == answers_.end()) it = answers_.begin();
    auto frame = it->second->next_frame();
    if (!frame) continue;
    last_served_ = it->first;
    if (it->second->is_over()) answers_.erase(it);
    return frame;
  }
  return std::nullopt;
}

// Without a writer there is no answer to wait for: the reader ends, too.
void generation_socket::end_writing(std::exception_ptr thrown) {
  if (thrown) log_thrown("the writer of a WebSocket", thrown);
  if (thrown) socket_->abort();
  is_writing_ = false;
  room_.notify();
}

void generation_socket::wind_up() {
  is_winding_up_ = true;
  work_->notify();
}

void generation_socket::end_all(const failure& why) {
  for (auto& [id, answer] : answers_) answer->end(why);
  wind_up();
}

}  // namespace troupe
