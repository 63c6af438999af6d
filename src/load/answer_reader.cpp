#include "load/answer_reader.hpp"

#include <algorithm>

#include "text/utf8.hpp"

namespace troupe::load {
namespace {

constexpr std::size_t max_whole_bytes = std::size_t{64} << 20;
constexpr std::size_t max_problem_bytes = 200;

const std::string* text_at(const json_value* from, std::string_view name) {
  const auto* found = from == nullptr ? nullptr : from->find(name);
  return found == nullptr ? nullptr : found->as_string();
}

std::uint32_t count_at(const json_value& from, std::string_view name) {
  const auto* found = from.find(name);
  const auto* number = found == nullptr ? nullptr : found->as_int();
  return number == nullptr || *number < 0 ? 0 : static_cast<std::uint32_t>(*number);
}

const json_value* first_choice(const json_value& json) {
  const auto* choices = json.find("choices");
  const auto* all = choices == nullptr ? nullptr : choices->as_array();
  return all == nullptr || all->empty() ? nullptr : &all->front();
}

}  // namespace

void answer_reader::fail(std::string_view kind, std::string_view what) {
  if (!failure.empty()) return;
  failure = kind;
  problem = utf8_head(repair_utf8(what), max_problem_bytes);
}

void answer_reader::begin(unsigned code, std::string_view content_type) {
  status = code;
  is_stream_ = code == 200 && content_type.starts_with("text/event-stream");
}

void answer_reader::body(std::string_view bytes, double now) {
  if (!is_stream_) {
    if (whole_.size() + bytes.size() > max_whole_bytes) return fail("protocol", "too long");
    whole_ += bytes;
    return;
  }
  ready_.clear();
  if (auto read = events_.push(bytes, ready_); !read) return fail("protocol", read.error().message);
  for (auto& event : ready_) read_event(event.data, now);
}

void answer_reader::finish() {
  if (status < 200 || status > 299) return fail("http " + std::to_string(status), whole_);
  if (!is_stream_) read_whole();
  if (failure.empty() && !is_finished) fail("truncated", "the answer has no end");
}

void answer_reader::read_whole() {
  auto json = parse_json(whole_);
  if (!json) return fail("protocol", whole_);
  read_choice(*json, -1);
  read_usage(*json);
  if (!is_finished) fail("protocol", whole_);
}

void answer_reader::read_event(std::string_view data, double now) {
  if (data == "[DONE]" || !failure.empty()) return;
  auto json = parse_json(data);
  if (!json) return fail("protocol", data);
  if (json->find("error") != nullptr) return fail("stream error", data);
  read_choice(*json, now);
  read_usage(*json);
}

bool answer_reader::frame(std::string_view text_of_frame, double now) {
  auto json = parse_json(text_of_frame);
  const auto* type = json ? text_at(&*json, "type") : nullptr;
  if (type == nullptr) {
    fail("protocol", text_of_frame);
    return true;
  }
  if (*type == "tokens") {
    if (const auto* data = json->find("data")) {
      read_choice(*data, now);
      read_usage(*data);
    }
    return false;
  }
  if (*type == "finished") {
    status = 200;
    is_finished = true;
    read_usage(*json);
    return true;
  }
  if (*type != "error") return false;
  const auto* error = json->find("error");
  if (error != nullptr) status = count_at(*error, "status");
  // After the first text it is the end of a stream that was accepted.
  fail(num_pieces > 0 ? "stream error" : "http " + std::to_string(status), text_of_frame);
  return true;
}

void answer_reader::read_choice(const json_value& json, double now) {
  const auto* choice = api_ == api_kind::generate ? &json : first_choice(json);
  if (choice == nullptr) return;
  const auto* from = choice;
  if (api_ == api_kind::chat) {
    from = choice->find("delta");
    if (from == nullptr) from = choice->find("message");
  }
  const auto* piece = text_at(from, api_ == api_kind::chat ? "content" : "text");
  if (piece != nullptr && !piece->empty()) take_text(*piece, now);
  if (text_at(choice, "finish_reason") != nullptr) is_finished = true;
}

void answer_reader::read_usage(const json_value& json) {
  const auto* usage = json.find("usage");
  if (usage == nullptr || usage->as_object() == nullptr) return;
  prompt_tokens = count_at(*usage, "prompt_tokens");
  output_tokens = count_at(*usage, "completion_tokens");
  cached_tokens = count_at(*usage, "cached_tokens");
  if (const auto* details = usage->find("prompt_tokens_details"))
    cached_tokens = std::max(cached_tokens, count_at(*details, "cached_tokens"));
}

void answer_reader::take_text(const std::string& piece, double now) {
  if (keeps_text_) text += piece;
  if (now < 0) return;
  double gap = num_pieces == 0 ? -1 : now - last_piece;
  if (num_pieces == 0) first_piece = now;
  if (num_pieces > 0) {
    gaps.push_back(gap);
    max_gap = std::max(max_gap, gap);
  }
  last_piece = now;
  ++num_pieces;
  if (observer_ != nullptr) observer_->on_piece(gap);
}

}  // namespace troupe::load
