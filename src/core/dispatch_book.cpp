#include "core/dispatch_book.hpp"

#include "core/replica_choice.hpp"
#include "core/sequence.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

// A few more than run, so that a seat which becomes free is taken in the next step.
constexpr std::uint32_t num_ahead = 2;
constexpr double mean_weight = 0.05;

}  // namespace

void dispatch_book::join(replica_id replica, replica_capacity capacity) {
  replicas_[replica] = {.capacity = capacity};
}

void dispatch_book::set_open(replica_id replica, bool is_open) {
  if (auto it = replicas_.find(replica); it != replicas_.end()) it->second.is_open = is_open;
}

std::vector<request_id> dispatch_book::leave(replica_id replica) {
  std::vector<std::pair<std::uint64_t, request_id>> had;
  for (auto& [request, e] : entries_)
    if (e.replica == replica) had.emplace_back(e.serial, request);
  std::ranges::sort(had);
  replicas_.erase(replica);
  std::vector<request_id> out;
  for (auto& [serial, request] : had) {
    entries_.erase(request);
    out.push_back(request);
  }
  return out;
}

// A replica that has nothing takes anything: what no replica could ever run never gets here.
bool dispatch_book::has_room(const state& there, std::uint64_t num_tokens) {
  if (!there.is_open) return false;
  if (there.num_requests == 0) return pages_for(num_tokens) <= there.capacity.num_pages;
  return there.num_requests < there.capacity.max_num_seqs + num_ahead &&
         there.prefill_tokens + num_tokens <= there.capacity.max_pending_tokens &&
         there.held_pages + pages_for(num_tokens) <= there.capacity.num_pages;
}

dispatch_book::room dispatch_book::total_room() const {
  room all;
  for (auto& [id, there] : replicas_) {
    if (!has_room(there, 1)) continue;
    all.num_requests += there.capacity.max_num_seqs + num_ahead - there.num_requests;
    auto num_free = there.capacity.num_pages - there.held_pages;
    all.num_pages = std::max(all.num_pages, static_cast<std::uint32_t>(num_free));
  }
  return all;
}

std::optional<replica_id> dispatch_book::choose(
    const generation_request& request, const std::map<replica_id, std::uint32_t>& num_cached,
    std::uint64_t tie_seed) const {
  auto num_tokens = request.prompt.size() + request.generated.size();
  std::vector<replica_view> views;
  for (auto& [id, there] : replicas_)
    views.push_back({.id = id,
                     .prefill_tokens = there.prefill_tokens,
                     .decode_tokens = there.decode_tokens,
                     .num_cached_tokens = num_cached.contains(id) ? num_cached.at(id) : 0,
                     .has_room = has_room(there, num_tokens)});
  auto chosen = choose_replica(views, static_cast<std::uint32_t>(num_tokens), tie_seed);
  if (!chosen) return std::nullopt;
  return views[*chosen].id;
}

std::uint64_t dispatch_book::expected_tokens(const generation_request& request) const {
  std::uint64_t most = request.sampling.max_tokens;
  most -= std::min<std::uint64_t>(most, request.generated.size());
  if (mean_answer_tokens_ == 0) return most;
  return std::min(most, static_cast<std::uint64_t>(mean_answer_tokens_) + 1);
}

void dispatch_book::sent(request_id request, replica_id replica, const generation_request& what,
                         std::uint32_t num_cached_tokens) {
  auto num_tokens = static_cast<std::uint32_t>(what.prompt.size() + what.generated.size());
  num_tokens -= std::min(num_tokens, num_cached_tokens);
  entry e{.replica = replica,
          .serial = next_serial_++,
          .prefill_tokens = num_tokens,
          .decode_tokens = expected_tokens(what),
          .num_tokens = num_tokens};
  auto& there = replicas_.at(replica);
  ++there.num_requests;
  there.prefill_tokens += e.prefill_tokens;
  there.decode_tokens += e.decode_tokens;
  there.held_pages += pages_for(num_tokens);
  entries_[request] = e;
}

void dispatch_book::grew(request_id request, std::uint32_t num_tokens) {
  auto it = entries_.find(request);
  if (it == entries_.end()) return;
  auto& e = it->second;
  auto& there = replicas_.at(e.replica);
  there.prefill_tokens -= std::exchange(e.prefill_tokens, 0);
  auto done = std::min<std::uint64_t>(e.decode_tokens, num_tokens);
  e.decode_tokens -= done;
  there.decode_tokens -= done;
  there.held_pages -= pages_for(e.num_tokens);
  e.num_tokens += num_tokens;
  there.held_pages += pages_for(e.num_tokens);
}

void dispatch_book::take_off(const entry& gone) {
  auto& there = replicas_.at(gone.replica);
  --there.num_requests;
  there.prefill_tokens -= gone.prefill_tokens;
  there.decode_tokens -= gone.decode_tokens;
  there.held_pages -= pages_for(gone.num_tokens);
}

void dispatch_book::ended(request_id request) {
  auto it = entries_.find(request);
  if (it == entries_.end()) return;
  take_off(it->second);
  entries_.erase(it);
}

void dispatch_book::note_answer(std::uint32_t num_tokens) {
  double n = num_tokens;
  mean_answer_tokens_ =
      mean_answer_tokens_ == 0 ? n : mean_answer_tokens_ + mean_weight * (n - mean_answer_tokens_);
}

bool dispatch_book::is_open(replica_id replica) const {
  auto it = replicas_.find(replica);
  return it != replicas_.end() && it->second.is_open;
}

std::uint32_t dispatch_book::num_open() const {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(replicas_, [](const auto& r) { return r.second.is_open; }));
}

std::optional<replica_id> dispatch_book::replica_of(request_id request) const {
  auto it = entries_.find(request);
  if (it == entries_.end()) return std::nullopt;
  return it->second.replica;
}

std::uint32_t dispatch_book::num_outstanding(replica_id replica) const {
  auto it = replicas_.find(replica);
  return it == replicas_.end() ? 0 : it->second.num_requests;
}

}  // namespace troupe
