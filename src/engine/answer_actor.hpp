// Requests of hosts without actors: one actor per answer, and a desk that they are asked for at.
#pragma once
#include <caf/all.hpp>

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "troupe/client.hpp"
#include "troupe/engine.hpp"

namespace troupe {

// Ends once: whoever drops it unfinished says that the request failed.
class answer_writer {
 public:
  explicit answer_writer(answer_callbacks callbacks) : callbacks_(std::move(callbacks)) {}
  ~answer_writer();
  answer_writer(const answer_writer&) = delete;
  answer_writer& operator=(const answer_writer&) = delete;

  // Throws what the callback throws.
  void write(std::string text, const std::vector<sampled_token>& tokens);
  // The first call counts.
  void end(finish_reason why, token_usage usage, failure error = {}, std::string matched_stop = {});
  std::uint32_t num_tokens() const { return static_cast<std::uint32_t>(all_.tokens.size()); }

 private:
  answer_callbacks callbacks_;
  answer all_;
  bool is_ended_ = false;
};

struct answer_order {
  generation_request request;
  detokenizer_options text;
  grammar_source_ptr form;
  std::shared_ptr<answer_writer> writer;
};
// What the desk is asked; stays in the process.
struct open_answer {
  std::shared_ptr<answer_order> order;
};

struct desk_parts {
  request_queue queue;
  grammar_store store;
  std::shared_ptr<const tokenizer> words;
  std::vector<token_id> eos_token_ids;
};

using answer_desk = caf::typed_actor<
    // An actor reads the answer from now on.
    caf::reacts_to<open_answer>,
    // Unknown ids are ignored.
    caf::reacts_to<cancel>>;

// All its answers end with it.
answer_desk spawn_answer_desk(caf::actor_system& system, desk_parts parts);

}  // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::open_answer)
