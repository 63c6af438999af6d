#include "actors/hand_back.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

judged_requests judge_requests(const running_batch& running, const std::deque<sequence>& waiting,
                               std::unordered_map<request_id, ending_ptr>& readers) {
  judged_requests out;
  const bool had_suspect = std::ranges::any_of(running.sequences(), [&](const sequence& s) {
    return s.failures.is_suspect && running.is_in_flight(s.request.id);
  });
  auto judge = [&](const sequence& s, bool was_in_step) {
    auto reader = readers.find(s.request.id);
    if (reader == readers.end()) return;  // went back already
    auto record = s.failures;
    if (judge_failed(record, was_in_step, had_suspect) == retry_verdict::guilty) {
      out.guilty.push_back(s.request.id);
      return;
    }
    admitted_request one{s.request, std::move(reader->second), record};
    one.request.generated = s.generated;
    one.request.last_token = s.last_token;
    readers.erase(reader);
    out.again.push_back(std::move(one));
  };
  for (auto& s : running.sequences()) judge(s, running.is_in_flight(s.request.id));
  for (auto& s : waiting) judge(s, false);
  std::ranges::sort(out.again, {}, [](const admitted_request& r) { return r.request.queued; });
  return out;
}

}  // namespace troupe
