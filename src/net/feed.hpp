// The answer to one request on its way to one reader: an actor on the reader's strand submits the
// request, turns tokens into text, looks for stop strings, and ends exactly once whatever happens
// to the engine or the reader.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "actors/request_queue.hpp"
#include "core/request.hpp"
#include "net/answer_piece.hpp"
#include "net/bridge.hpp"
#include "net/held_bytes.hpp"
#include "net/strand_event.hpp"
#include "net/token_account.hpp"
#include "text/detokenizer.hpp"

namespace troupe {

struct feed_order {
  generation_request request;
  detokenizer_options text;
  std::shared_ptr<const tokenizer> words;
  std::vector<token_id> eos_token_ids;
  request_queue queue;
  bool wants_tokens = false;                  // the pieces carry the tokens, too
  std::shared_ptr<token_account> account;     // may be null
  std::size_t max_pending_bytes = 256 << 10;  // what a slow reader may leave unread
  shared_sum pending_bytes;                   // of all readers together; may be null
};

struct feed_state;  // what the actor and the reader share; both live on one strand

class feed {
 public:
  // Submits. Construct, use and destroy it on `home.strand`. `news` is notified when there is
  // something to take; several feeds may share it.
  feed(caf::actor_system& system, const strand_home& home, std::shared_ptr<strand_event> news,
       feed_order order);
  // A reader that stops reading cancels.
  ~feed();
  feed(const feed&) = delete;
  feed& operator=(const feed&) = delete;

  // The queue has it.
  bool is_accepted() const;
  // It ended, and not with stop or length; `take` says why.
  bool has_failed() const;
  // Text, tokens or the end came since the last `take`.
  bool has_news() const;
  // What came; nothing comes after the end.
  answer_piece take();
  // Ends the answer from this side and frees what the engine holds for it.
  void leave(failure why);

 private:
  bool was_ended_ = false;
  std::shared_ptr<feed_state> state_;
  token_sink actor_;
};

}  // namespace troupe
