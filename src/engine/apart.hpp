// CAF leaves its logger in every thread that spawns, and an actor system waits for it in its
// destructor. The host's threads are not ours: what spawns runs on a thread that ends.
#pragma once
#include <exception>
#include <optional>
#include <thread>
#include <utility>

namespace troupe {

// Blocks. What `work` throws is thrown here.
template <class Answer, class Work>
Answer run_apart(Work&& work) {
  std::optional<Answer> answer;
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      answer.emplace(work());
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
  return *std::move(answer);
}

}  // namespace troupe
