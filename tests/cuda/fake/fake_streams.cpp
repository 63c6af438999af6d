// Streams, events and graphs.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "fake_cuda.hpp"
#include "simt/machine.hpp"

using troupe::fake_cuda::enqueue;
using troupe::fake_cuda::fails;
using troupe::fake_cuda::is_capturing;

using work_list = std::vector<std::function<void()>>;

struct CUgraph_st {
  work_list works;
};
struct CUgraphExec_st {
  work_list works;
};

// Runs what was enqueued, in order, on a thread; only as far as somebody asked for.
struct CUstream_st {
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::function<void()>> works;
  std::uint64_t num_enqueued = 0;
  std::uint64_t num_done = 0;
  std::uint64_t num_wanted = 0;
  bool ends = false;
  int device = 0;
  CUgraph_st* captured = nullptr;
  std::thread thread{[this] { run(); }};

  void run() {
    std::unique_lock hold(lock);
    while (true) {
      changed.wait(hold, [&] { return ends || (num_done < num_wanted && !works.empty()); });
      if (num_done >= num_wanted || works.empty()) return;
      auto work = std::move(works.front());
      works.pop_front();
      hold.unlock();
      work();
      hold.lock();
      ++num_done;
      changed.notify_all();
    }
  }

  void add(std::function<void()> work) {
    const std::lock_guard hold(lock);
    works.push_back(std::move(work));
    ++num_enqueued;
  }

  void kick() {
    const std::lock_guard hold(lock);
    num_wanted = num_enqueued;
    changed.notify_all();
  }

  void wait_until_idle() {
    std::unique_lock hold(lock);
    num_wanted = num_enqueued;
    changed.notify_all();
    changed.wait(hold, [&] { return ends || num_done >= num_wanted; });
  }

  void wait_until_done(std::uint64_t count) {
    std::unique_lock hold(lock);
    num_wanted = std::max(num_wanted, count);
    changed.notify_all();
    changed.wait(hold, [&] { return num_done >= count; });
  }
};

// What was enqueued before a record; shared with the streams that wait for it.
struct event_mark {
  std::atomic<bool> done{false};
  std::chrono::steady_clock::time_point when;
};
struct CUevent_st {
  std::shared_ptr<event_mark> mark;  // none: never recorded, which counts as done
};

namespace {

std::mutex all_streams_lock;
std::map<cudaStream_t, std::shared_ptr<CUstream_st>> all_streams;
std::mutex emulator_lock;            // one kernel at a time
std::atomic<bool> has_fault{false};  // as on a GPU, nothing works any more after one
std::atomic<std::uint64_t> num_graph_launches{0};
std::atomic<std::uint64_t> num_instantiations{0};
thread_local cudaStream_t capturing = nullptr;

void report(bool is_done) {
  if (is_done) return;
  std::fprintf(stderr, "a kernel failed: %s\n", simt::last_fault().c_str());
  has_fault = true;
}

// Kernels that wait for each other run when all of them have come, each on its stream; the last one
// runs them all. One that is abandoned before runs alone, and finds that out by itself.
class kernel_meeting {
 public:
  void run(const simt::launch_shape& shape, const std::function<void()>& body) {
    std::unique_lock hold(lock_);
    const std::uint64_t number = num_come_++;
    waiting_[number] = {shape, body};
    if (waiting_.size() == shape.meeting.num_launches) {
      const auto together = std::exchange(waiting_, {});
      run_together(together);
      for (const auto& [each, started] : together) done_.insert(each);
    }
    while (!done_.contains(number)) {
      hold.unlock();
      troupe::fake_cuda::kick_all_streams();
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      hold.lock();
      const bool is_abandoned = __atomic_load_n(shape.meeting.abandoned, __ATOMIC_ACQUIRE) != 0;
      if (!is_abandoned || waiting_.erase(number) == 0) continue;
      run_together({{number, {shape, body}}});
      return;
    }
    done_.erase(number);
  }

 private:
  struct launch {
    simt::launch_shape shape;
    std::function<void()> body;
  };

  static void run_together(const std::map<std::uint64_t, launch>& launches) {
    const std::lock_guard hold(emulator_lock);
    for (std::size_t i = 0; i < launches.size(); ++i) troupe::fake_cuda::note_kernel();
    report(simt::run_together([&] {
      for (const auto& [number, each] : launches) simt::run(each.shape, each.body);
    }));
  }

  std::mutex lock_;
  std::uint64_t num_come_ = 0;
  std::map<std::uint64_t, launch> waiting_;
  std::set<std::uint64_t> done_;
};

kernel_meeting& meeting_at(const void* place) {
  static std::mutex lock;
  static std::map<const void*, kernel_meeting> meetings;
  const std::lock_guard hold(lock);
  return meetings[place];
}

// What the emulator is told to launch.
bool take_launch(CUstream_st* stream, const simt::launch_shape& shape, std::function<void()> body) {
  if (fails("kernel launch", cudaErrorLaunchFailure)) return false;
  enqueue(stream, [shape, body = std::move(body)] {
    if (shape.meeting.num_launches > 1) return meeting_at(shape.meeting.place).run(shape, body);
    const std::lock_guard hold(emulator_lock);
    troupe::fake_cuda::note_kernel();
    report(simt::run(shape, body));
  });
  return true;
}

std::vector<std::shared_ptr<CUstream_st>> list_streams() {
  const std::lock_guard hold(all_streams_lock);
  std::vector<std::shared_ptr<CUstream_st>> out;
  for (const auto& [handle, stream] : all_streams) out.push_back(stream);
  return out;
}

cudaError_t state_of_device() { return has_fault ? cudaErrorIllegalAddress : cudaSuccess; }

}  // namespace

namespace troupe::fake_cuda {

counts count_work();
void reset_work();

counts count() {
  counts out = count_work();
  out.graph_launches = num_graph_launches;
  out.graph_instantiations = num_instantiations;
  return out;
}

void reset_counts() {
  reset_work();
  num_graph_launches = num_instantiations = 0;
}

bool is_capturing() { return capturing != nullptr; }

void enqueue(cudaStream_t stream, std::function<void()> work) {
  if (stream->captured != nullptr) {
    stream->captured->works.push_back(std::move(work));
  } else {
    stream->add(std::move(work));
  }
}

void use_emulator() {
  simt::give_launches_to(&take_launch);
  has_fault = false;
}

void wait_for_device(int device) {
  kick_all_streams();
  for (const auto& stream : list_streams()) {
    if (stream->device == device) stream->wait_until_idle();
  }
}

void kick_all_streams() {
  for (const auto& stream : list_streams()) stream->kick();
}

}  // namespace troupe::fake_cuda

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* target, unsigned) {
  if (fails("cudaStreamCreateWithFlags", cudaErrorUnknown)) return cudaErrorUnknown;
  auto made = std::make_shared<CUstream_st>();
  cudaGetDevice(&made->device);
  *target = made.get();
  const std::lock_guard hold(all_streams_lock);
  all_streams[*target] = std::move(made);
  troupe::fake_cuda::note_object(1);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  std::shared_ptr<CUstream_st> owned;
  {
    const std::lock_guard hold(all_streams_lock);
    owned = all_streams.at(stream);
    all_streams.erase(stream);
  }
  if (capturing == stream) capturing = nullptr;
  {
    const std::lock_guard hold(stream->lock);
    stream->num_wanted = stream->num_enqueued;
    stream->ends = true;
    stream->changed.notify_all();
  }
  stream->thread.join();
  delete stream->captured;
  stream->captured = nullptr;
  troupe::fake_cuda::note_object(-1);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (fails("cudaStreamSynchronize", cudaErrorLaunchFailure)) return cudaErrorLaunchFailure;
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  troupe::fake_cuda::kick_all_streams();
  std::uint64_t count = 0;
  {
    const std::lock_guard hold(stream->lock);
    count = stream->num_enqueued;
  }
  stream->wait_until_done(count);
  return state_of_device();
}

cudaError_t cudaDeviceSynchronize() {
  int device = 0;
  cudaGetDevice(&device);
  troupe::fake_cuda::wait_for_device(device);
  return state_of_device();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (fails("cudaStreamWaitEvent", cudaErrorUnknown)) return cudaErrorUnknown;
  const auto mark = event->mark;
  if (mark == nullptr) return cudaSuccess;
  enqueue(stream, [mark] {
    while (!mark->done) {
      troupe::fake_cuda::kick_all_streams();
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* target, unsigned) {
  if (fails("cudaEventCreateWithFlags", cudaErrorUnknown)) return cudaErrorUnknown;
  *target = new CUevent_st;
  troupe::fake_cuda::note_object(1);
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  troupe::fake_cuda::note_object(-1);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (fails("cudaEventRecord", cudaErrorUnknown)) return cudaErrorUnknown;
  event->mark = std::make_shared<event_mark>();
  enqueue(stream, [mark = event->mark] {
    mark->when = std::chrono::steady_clock::now();
    mark->done = true;
  });
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (fails("cudaEventQuery", cudaErrorIllegalAddress)) return cudaErrorIllegalAddress;
  troupe::fake_cuda::kick_all_streams();
  const bool is_done = event->mark == nullptr || event->mark->done;
  return is_done ? state_of_device() : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (fails("cudaEventSynchronize", cudaErrorLaunchFailure)) return cudaErrorLaunchFailure;
  while (event->mark != nullptr && !event->mark->done) {
    troupe::fake_cuda::kick_all_streams();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return state_of_device();
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (fails("cudaEventElapsedTime", cudaErrorUnknown)) return cudaErrorUnknown;
  using ms = std::chrono::duration<float, std::milli>;
  *milliseconds = ms(end->mark->when - start->mark->when).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (fails("cudaStreamBeginCapture", cudaErrorStreamCaptureUnsupported)) {
    return cudaErrorStreamCaptureUnsupported;
  }
  stream->captured = new CUgraph_st;
  capturing = stream;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (stream->captured == nullptr) return cudaErrorStreamCaptureUnmatched;
  *graph = std::exchange(stream->captured, nullptr);
  capturing = nullptr;
  troupe::fake_cuda::note_object(1);
  if (fails("cudaStreamEndCapture", cudaErrorStreamCaptureInvalidated)) {
    delete *graph;
    *graph = nullptr;
    troupe::fake_cuda::note_object(-1);
    return cudaErrorStreamCaptureInvalidated;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  troupe::fake_cuda::note_object(-1);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* target, cudaGraph_t graph, unsigned long long) {
  if (fails("cudaGraphInstantiate", cudaErrorMemoryAllocation)) return cudaErrorMemoryAllocation;
  *target = new CUgraphExec_st{graph->works};
  ++num_instantiations;
  troupe::fake_cuda::note_object(1);
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  return fails("cudaGraphUpload", cudaErrorMemoryAllocation) ? cudaErrorMemoryAllocation
                                                             : cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  troupe::fake_cuda::note_object(-1);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  if (fails("cudaGraphLaunch", cudaErrorLaunchFailure)) return cudaErrorLaunchFailure;
  ++num_graph_launches;
  for (const auto& work : graph->works) enqueue(stream, work);
  return cudaSuccess;
}

}  // extern "C"
