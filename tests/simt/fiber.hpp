// A function that can stop in its middle and go on later: one for each thread of an emulated block.
#pragma once
#include <cstddef>
#include <memory>

namespace simt {

class fiber {
 public:
  fiber();
  ~fiber();
  fiber(fiber&&) noexcept;
  fiber& operator=(fiber&&) noexcept;
  // Makes it stand before the first line of entry(argument), which never returns: it stops for ever
  // with leave(). What stood there before is forgotten, without destructors.
  void start(void (*entry)(void*), void* argument);
  // From outside: runs it until it leaves.
  void enter();
  // From inside: enter() returns.
  void leave();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace simt
