// What a batcher that cannot go on does with its requests: most go back to the queue with what was
// answered of them, for the batcher after it; who is to blame does not.
#pragma once
#include "actors/request_queue.hpp"
#include "core/running_batch.hpp"

#include <deque>
#include <unordered_map>
#include <vector>

namespace troupe {

struct judged_requests {
  std::vector<admitted_request> again;  // oldest first
  std::vector<request_id> guilty;
};

// Judges all by core/retry.hpp. Takes the readers of those that are tried again.
judged_requests judge_requests(const running_batch& running, const std::deque<sequence>& waiting,
                               std::unordered_map<request_id, ending_ptr>& readers);

}  // namespace troupe
