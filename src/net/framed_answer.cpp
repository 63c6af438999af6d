#include "net/framed_answer.hpp"

#include <utility>

#include "net/dialect.hpp"
#include "net/server_frame.hpp"

namespace troupe {
namespace {

template <class Facts>
std::vector<Facts> facts_of(const std::vector<answer_order>& orders) {
  std::vector<Facts> out;
  for (auto& order : orders) out.push_back({order.is_rerun, std::nullopt});
  return out;
}

}  // namespace

framed_answer::framed_answer(std::string id, const call& who, answer_plan plan,
                             credit_account credit, std::shared_ptr<strand_event> arrived)
    : id_(std::move(id)),
      request_id_(who.id),
      arrival_(who.arrival),
      credit_(credit),
      writer_(std::move(plan.writer)),
      choices_(facts_of<choice_facts>(plan.orders)),
      feeds_(who.house.system, who.home, make_orders(who, plan), std::move(arrived)) {}

std::optional<std::string> framed_answer::next_frame() {
  if (is_over_) return std::nullopt;
  settle_early_end();
  if (!last_ && !was_accepted_ && feeds_.is_accepted()) return accept();
  while (events_.empty() && !last_) {
    if (!credit_.has_some()) return std::nullopt;
    auto news = feeds_.poll();
    if (!news) return std::nullopt;
    absorb(*std::move(news));
  }
  if (events_.empty()) return conclude();
  if (!was_accepted_) return accept();
  if (!credit_.take()) return std::nullopt;
  auto frame = tokens_frame(id_, events_.front());
  events_.pop_front();
  return frame;
}

std::optional<std::string> framed_answer::accept() {
  was_accepted_ = true;
  return accepted_frame(id_, request_id_);
}

std::optional<std::string> framed_answer::conclude() {
  is_over_ = true;
  return std::exchange(last_, std::nullopt);
}

void framed_answer::cancel() {
  was_cancelled_ = true;
  feeds_.leave({.code = error_code::shutting_down, .message = "the client cancelled it"});
}

// A cancelled answer's text is not wanted any more, and a failure does not wait for credit.
void framed_answer::settle_early_end() {
  bool has_failed = has_failed_ || (!last_ && feeds_.has_failed());
  if (!was_cancelled_ && !(has_failed && !credit_.has_some())) return;
  events_.clear();
  for (auto news = feeds_.poll(); news; news = feeds_.poll())
    if (news->piece.end) note(news->choice, *news->piece.end);
  if (was_cancelled_) {
    last_ = finished(finish_reason::cancelled);
    return;
  }
  for (auto& choice : choices_)
    if (!last_ && choice.end && !is_answer(*choice.end)) last_ = failed(*choice.end);
}

void framed_answer::absorb(feed_group::news news) {
  auto& piece = news.piece;
  bool has_words = !piece.text.empty() || !piece.tokens.empty();
  if (has_words && !first_token_) first_token_ = std::chrono::steady_clock::now();
  if (piece.end) note(news.choice, *piece.end);
  std::optional<answer_end> failure_end;
  if (piece.end && !is_answer(*piece.end)) failure_end = std::exchange(piece.end, std::nullopt);
  if (has_words || piece.end) writer_->write(*this, news.choice, std::move(piece));
  if (failure_end) {
    last_ = failed(*failure_end);
  } else if (feeds_.is_over()) {
    writer_->finish(*this);
    last_ = finished(choices_.front().end->why);
  }
}

void framed_answer::event(std::string_view, std::string_view json) { events_.emplace_back(json); }

void framed_answer::note(std::size_t choice, const answer_end& end) { choices_[choice].end = end; }

std::string framed_answer::failed(const answer_end& end) {
  has_failed_ = true;
  feeds_.leave(end.error);
  return error_frame(id_, to_http_error(end));
}

std::string framed_answer::finished(finish_reason why) const {
  token_usage usage;
  for (auto& choice : choices_) {
    if (!choice.end) continue;
    usage.completion_tokens += choice.end->usage.completion_tokens;
    if (choice.is_rerun) continue;
    usage.prompt_tokens += choice.end->usage.prompt_tokens;
    usage.cached_tokens += choice.end->usage.cached_tokens;
  }
  auto now = std::chrono::steady_clock::now();
  return finished_frame(id_, why, usage, {first_token_.value_or(now) - arrival_, now - arrival_});
}

}  // namespace troupe
