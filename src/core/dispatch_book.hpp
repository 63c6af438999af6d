// What a router has given to whom: the work that lies before each replica, and the room that is
// left there. Values only; who sends and who answers is the router's matter.
#pragma once
#include "core/id.hpp"
#include "core/request.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

namespace troupe {

struct replica_capacity {
  std::uint32_t max_num_seqs = 0;
  std::uint32_t num_pages = 0;
  std::uint64_t max_pending_tokens = 0;  // prompts that it has and has not computed, together
};

class dispatch_book {
 public:
  void join(replica_id replica, replica_capacity capacity);
  // Whether it is given new work.
  void set_open(replica_id replica, bool is_open);
  // Forgets it; answers what it had, in the order of sending.
  std::vector<request_id> leave(replica_id replica);

  // Where requests could go now: how many, and how many pages their prompts may have, together.
  struct room {
    std::uint32_t num_requests = 0;
    std::uint32_t num_pages = 0;
  };
  room total_room() const;
  // The best of those with room (core/replica_choice.hpp); nobody has room: nothing. `num_cached`
  // are the tokens of its prompt that each replica need not compute.
  std::optional<replica_id> choose(const generation_request& request,
                                   const std::map<replica_id, std::uint32_t>& num_cached,
                                   std::uint64_t tie_seed) const;

  void sent(request_id request, replica_id replica, const generation_request& what,
            std::uint32_t num_cached_tokens);
  void grew(request_id request, std::uint32_t num_tokens);
  void ended(request_id request);
  // An answer that came to its end: how long those to come are expected to be.
  void note_answer(std::uint32_t num_tokens);

  bool knows(replica_id where) const { return replicas_.contains(where); }
  bool is_open(replica_id replica) const;
  std::uint32_t num_open() const;
  std::uint32_t num_outstanding(replica_id replica) const;
  std::optional<replica_id> replica_of(request_id request) const;

 private:
  struct state {
    replica_capacity capacity;
    bool is_open = true;
    std::uint32_t num_requests = 0;
    std::uint64_t prefill_tokens = 0, decode_tokens = 0, held_pages = 0;
  };
  struct entry {
    replica_id replica;
    std::uint64_t serial = 0;
    std::uint64_t prefill_tokens = 0, decode_tokens = 0;  // that it still adds to its replica's
    std::uint32_t num_tokens = 0;                         // with pages of their own
  };
  static bool has_room(const state& there, std::uint64_t num_tokens);
  std::uint64_t expected_tokens(const generation_request& request) const;
  void take_off(const entry& gone);

  std::map<replica_id, state> replicas_;
  std::unordered_map<request_id, entry> entries_;
  std::uint64_t next_serial_ = 0;
  double mean_answer_tokens_ = 0;  // of those that ended, exponentially averaged; 0: none yet
};

}  // namespace troupe
