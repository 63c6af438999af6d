// The answer to one request on its way to one reader: an actor on the reader's strand submits the
// request, turns tokens into text, looks for stop strings, and ends exactly once whatever happens
// to the engine or the reader.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/request_queue.hpp"
#include "core/request.hpp"
#include "net/bridge.hpp"
#include "net/token_account.hpp"
#include "text/detokenizer.hpp"

namespace troupe {

struct feed_order {
  generation_request request;
  detokenizer_options text;
  std::shared_ptr<const tokenizer> words;
  std::vector<token_id> eos_token_ids;
  request_queue queue;
  std::shared_ptr<token_account> account;     // may be null
  std::size_t max_pending_bytes = 256 << 10;  // what a slow reader may leave unread
};

struct answer_end {
  finish_reason why = finish_reason::failed;
  token_usage usage;
  failure error;  // unless `why` is stop or length
};

struct answer_piece {
  std::string text;                   // whole characters, everything since the last piece
  std::vector<sampled_token> tokens;  // the same as tokens; only if logprobs were asked for
  std::optional<answer_end> end;      // set on the last piece only
};

struct feed_state;  // what the actor and the reader share; both live on one strand

class feed {
 public:
  // Submits. Construct, use and destroy it on `home.strand`.
  feed(caf::actor_system& system, const strand_home& home, feed_order order);
  // A reader that stops reading cancels.
  ~feed();
  feed(const feed&) = delete;
  feed& operator=(const feed&) = delete;

  // Waits for text, logprobs or the end. Not to be called again after the end.
  asio::awaitable<answer_piece> next();
  // Ends the answer from this side and frees what the engine holds for it.
  void leave(failure why);

 private:
  std::shared_ptr<feed_state> state_;
  token_sink actor_;
};

}  // namespace troupe
