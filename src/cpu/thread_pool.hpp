// Threads that live as long as their device and split loops among themselves. Which thread does
// which index never matters: indices are independent of each other.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace troupe {

struct thread_pool_options {
  std::uint32_t num_threads = 1;  // the caller of parallel_for is one of them
  int nice = 0;                   // > 0: the pool's own threads yield to other work
};

class thread_pool {
 public:
  explicit thread_pool(thread_pool_options options);
  ~thread_pool();
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  std::uint32_t num_threads() const { return static_cast<std::uint32_t>(threads_.size()) + 1; }

  // Calls work(index, thread_idx) once for every index below `count` and returns when all calls
  // have returned. thread_idx < num_threads() is unique among concurrent calls, for scratch memory.
  // Only one thread at a time may be inside; `work` neither throws nor enters the pool.
  template <class Work>
  void parallel_for(std::uint32_t count, const Work& work) {
    static_assert(std::is_invocable_v<const Work&, std::uint32_t, std::uint32_t>);
    if (threads_.empty() || count <= 1) {
      for (std::uint32_t i = 0; i < count; ++i) work(i, 0);
      return;
    }
    run(count, &work, [](const void* self, std::uint32_t i, std::uint32_t thread_idx) {
      (*static_cast<const Work*>(self))(i, thread_idx);
    });
  }

 private:
  using call = void (*)(const void* work, std::uint32_t index, std::uint32_t thread_idx);

  void run(std::uint32_t count, const void* work, call function);
  void serve(std::uint32_t thread_idx);
  bool take_indices(std::uint32_t generation, std::uint32_t thread_idx);
  std::uint32_t wait_for_loop(std::uint32_t seen) const;

  // The loop in progress. `ticket_` is (generation << 32 | next index): a thread that takes an
  // index by compare-and-swap thereby knows that the other three members belong to that loop,
  // because they change only after all of its indices are done.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  std::atomic<std::uint32_t> count_{0};
  std::atomic<const void*> work_{nullptr};
  std::atomic<call> call_{nullptr};
  alignas(64) std::atomic<std::uint32_t> num_done_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};  // what idle threads wait on
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;  // [num_threads - 1]
};

}  // namespace troupe
