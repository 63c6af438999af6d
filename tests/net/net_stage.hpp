// A whole server on a free port with a fake engine behind it: the prompt's tokens come back, again
// and again, until max_tokens.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "client.hpp"
#include "core/outcome.hpp"
#include "net/server.hpp"

namespace troupe::test {

// Bytes are tokens: "a" has the id 97. Then come two added tokens.
inline constexpr token_id end_of_text = 256;
inline constexpr std::uint32_t test_vocab_size = 260;  // two ids more than the tokenizer knows
std::shared_ptr<const tokenizer> byte_words();
// What readers of bodies need to know of a server: this tokenizer, Qwen2.5's chat template. No
// actors.
service byte_service();

// What the engine does, and what happened to it. Set before the request.
struct engine_script {
  std::atomic<int> pace_ms{0};          // between tokens; 0: all at once
  std::atomic<int> tokens_per_turn{1};  // with a pace
  std::atomic<int> eos_after{-1};       // this many tokens, then end_of_text
  std::string answer;  // if not empty: what it says instead of the prompt, then end_of_text
  std::atomic<int> fail_after{-1};
  std::atomic<int> time_out_after{-1};
  std::atomic<int> die_after{-1};  // the actor itself
  // Its death tells no reader, as if somebody else still held their requests.
  std::atomic<bool> dies_silently{false};
  std::shared_ptr<void> unfinished;  // of a silent death
  std::atomic<bool> is_full{false};
  std::atomic<bool> is_ready{true};

  std::atomic<int> num_submitted{0};
  std::atomic<int> num_running{0};
  std::atomic<int> num_cancelled{0};
  std::atomic<int> num_stopped{0};  // cancelled because of a stop string
};

class net_stage {
 public:
  explicit net_stage(server_options options = {});
  ~net_stage();
  net_stage(const net_stage&) = delete;
  net_stage& operator=(const net_stage&) = delete;

  engine_script& script();
  server& front();
  std::uint16_t port();
  // Asks the engine to drain, as the command line does on SIGTERM.
  void drain_engine();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

// True once `what` holds, within three seconds.
bool eventually(const std::function<bool()>& what);

}  // namespace troupe::test
