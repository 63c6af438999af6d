// One generation on a WebSocket: what its feeds bring becomes frames, as many as the client granted
// credit for. Nothing is taken from the feeds before it can be sent, so that waiting text is joined
// there and bounded there.
#pragma once
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/answer_plan.hpp"
#include "net/call.hpp"
#include "net/credit.hpp"
#include "net/feed_group.hpp"

namespace troupe {

// Every member is called on the strand.
class framed_answer : private event_sink {
 public:
  // Submits. `arrived` is notified when `next_frame` may have something.
  framed_answer(std::string id, const call& who, answer_plan plan, credit_account credit,
                std::shared_ptr<strand_event> arrived);

  // What may be sent now; after the last frame it is over.
  std::optional<std::string> next_frame();
  bool is_over() const { return is_over_; }

  void grant(std::uint64_t num_frames) { credit_.grant(num_frames); }
  // The client wants no more of it.
  void cancel();
  // The server ends it; the client hears `why`.
  void end(const failure& why) { feeds_.leave(why); }

 private:
  void event(std::string_view name, std::string_view json) override;
  std::optional<std::string> accept();
  std::optional<std::string> conclude();
  void settle_early_end();
  void absorb(feed_group::news news);
  void note(std::size_t choice, const answer_end& end);
  std::string finished(finish_reason why) const;
  std::string failed(const answer_end& end);

  struct choice_facts {
    bool is_rerun = false;
    std::optional<answer_end> end;
  };

  std::string id_;
  std::string request_id_;
  steady_time arrival_;
  std::optional<steady_time> first_token_;
  credit_account credit_;
  std::unique_ptr<answer_writer> writer_;
  std::vector<choice_facts> choices_;  // by their index
  feed_group feeds_;
  std::deque<std::string> events_;   // of what was taken last, not sent yet
  std::optional<std::string> last_;  // frame, after the events
  bool was_accepted_ = false;        // and the client was told
  bool was_cancelled_ = false;
  bool has_failed_ = false;
  bool is_over_ = false;
};

}  // namespace troupe
