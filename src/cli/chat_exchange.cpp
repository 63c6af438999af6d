#include "cli/chat_exchange.hpp"

#include <algorithm>
#include <cstdio>

#include "net/sse_reader.hpp"

namespace troupe {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t max_body_bytes = std::size_t{64} << 20U;  // of what does not stream

// Takes the body of one answer.
class answer_reader {
 public:
  explicit answer_reader(const std::function<void(const std::string&)>& on_text)
      : on_text_(on_text) {}

  // False when nothing more is wanted.
  bool take(const http_answer& head, std::string_view piece) {
    if (head.status == 200 && head.content_type.starts_with("text/event-stream"))
      return take_events(piece);
    body_.append(piece);
    return body_.size() <= max_body_bytes;
  }

  chat_answer finish(const outcome<http_answer>& head) {
    if (!head) {
      answer_.error = head.error().message;
    } else if (head->status != 0 && head->status != 200) {
      answer_.error = std::to_string(head->status) + ": " + error_message(body_);
    } else if (!body_.empty() && head->is_whole) {
      take_piece(body_);
    } else if (answer_.error.empty() && !is_done_) {
      answer_.is_cancelled = !head->is_whole;
      if (head->is_whole) answer_.error = "the answer ended before it was whole";
    }
    answer_.num_tokens = std::max(answer_.num_tokens, num_pieces_);
    return std::move(answer_);
  }

 private:
  bool take_events(std::string_view bytes) {
    std::vector<sse_event> events;
    auto read = events_.push(bytes, events);
    for (auto& event : events)
      if (!take_piece(event.data)) return false;
    if (!read) answer_.error = read.error().message;
    return bool(read);
  }

  bool take_piece(std::string_view json) {
    auto piece = parse_chat_piece(json);
    if (!piece) {
      answer_.error = piece.error().message;
      return false;
    }
    is_done_ = is_done_ || piece->is_done;
    if (piece->completion_tokens) answer_.num_tokens = *piece->completion_tokens;
    if (!piece->content.empty()) {
      answer_.last_token = steady_clock::now() - begin_;
      if (num_pieces_++ == 0) answer_.first_token = answer_.last_token;
      answer_.content += piece->content;
      on_text_(piece->content);
    }
    return !is_done_;
  }

  const std::function<void(const std::string&)>& on_text_;
  steady_clock::time_point begin_ = steady_clock::now();
  sse_reader events_;
  std::string body_;
  chat_answer answer_;
  std::uint64_t num_pieces_ = 0;
  bool is_done_ = false;
};

}  // namespace

std::string describe(const chat_answer& answer) {
  char text[120];
  auto spent = (answer.last_token - answer.first_token).count();
  auto num_more = static_cast<double>(answer.num_tokens) - 1;
  int num_bytes =
      std::snprintf(text, sizeof text, "%.2f s to the first token, %llu tokens",
                    answer.first_token.count(), static_cast<unsigned long long>(answer.num_tokens));
  std::string out(text, static_cast<std::size_t>(num_bytes));
  if (spent <= 0 || num_more <= 0) return out;
  num_bytes = std::snprintf(text, sizeof text, ", %.1f tokens/s", num_more / spent);
  return out.append(text, static_cast<std::size_t>(num_bytes));
}

chat_answer ask_server(const http_url& where, const client_options& client,
                       const conversation& talk, const chat_sampling& how,
                       const std::function<void(const std::string&)>& on_text) {
  answer_reader reader(on_text);
  http_call call{.method = "POST", .target = "/v1/chat/completions", .json = chat_body(talk, how)};
  return reader.finish(
      call_server(where, client, call, [&reader](const http_answer& head, std::string_view piece) {
        return reader.take(head, piece);
      }));
}

std::string ask_model(const http_url& where, const client_options& client) {
  std::string body;
  http_call call{.target = "/v1/models"};
  auto read = call_server(where, client, call, [&body](const http_answer&, std::string_view piece) {
    body.append(piece);
    return body.size() <= max_body_bytes;
  });
  return read && read->status == 200 && read->is_whole ? first_model(body) : "";
}

}  // namespace troupe
