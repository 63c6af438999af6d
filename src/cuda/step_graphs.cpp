#include "cuda/step_graphs.hpp"

#include <utility>

namespace troupe::cuda {

void step_graphs::begin(const graph_key& key) {
  mode_ = step_mode::eager;
  key_ = key;
  operations_.clear();
  why_.clear();
  if (without_.contains(key)) return;
  if (graphs_.contains(key)) {
    mode_ = step_mode::replayed;
    return;
  }
  // Kernels are loaded when they first run, which must not happen while a graph is recorded.
  if (seen_.insert(key).second) return;
  try {
    check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
               "cudaStreamBeginCapture");
    is_capturing_ = true;
    mode_ = step_mode::captured;
  } catch (const device_error& error) {
    give_up(error.what());
  }
}

void step_graphs::keep(operation one) {
  operations_.push_back(std::move(one));
  if (mode_ != step_mode::captured) return;
  try {
    operations_.back()();
  } catch (const device_error& error) {
    give_up(error.what());
  }
}

// What was recorded so far has not run.
void step_graphs::give_up(std::string why) {
  static_cast<void>(end_capture());
  why_ = std::move(why);
  mode_ = step_mode::kept;
}

graph_owner step_graphs::end_capture() noexcept {
  cudaGraph_t made = nullptr;
  if (std::exchange(is_capturing_, false) && cudaStreamEndCapture(stream_, &made) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
  }
  return graph_owner(made);
}

// Empty where it cannot be made; why_ says the reason.
graph_exec_owner step_graphs::make_graph() {
  graph_exec_owner out;
  if (mode_ == step_mode::kept) return out;
  try {
    cudaGraph_t made = nullptr;
    is_capturing_ = false;
    const cudaError_t ended = cudaStreamEndCapture(stream_, &made);
    const graph_owner graph(made);
    check_cuda(ended, "cudaStreamEndCapture");
    cudaGraphExec_t exec = nullptr;
    check_cuda(cudaGraphInstantiate(&exec, graph.get(), 0), "cudaGraphInstantiate");
    graph_exec_owner executable(exec);
    // What the device needs for it is taken here, not at the first launch.
    check_cuda(cudaGraphUpload(exec, stream_), "cudaGraphUpload");
    out = std::move(executable);
  } catch (const device_error& error) {
    why_ = error.what();
  }
  return out;
}

void step_graphs::enqueue_kept() {
  without_.insert(key_);
  if (warn_ && !why_.empty()) {
    warn_("Steps of " + std::to_string(key_.rows) + " rows and " + std::to_string(key_.parts) +
          " parts have no CUDA graph and are launched kernel by kernel: " + why_);
  }
  mode_ = step_mode::eager;
  for (const operation& one : operations_) one();
  operations_.clear();
}

// The same operations of other ranks may be in their graphs already: only a rank that is alone can
// go another way here.
void step_graphs::launch(bool is_alone) {
  mode_ = step_mode::eager;
  const auto found = graphs_.find(key_);
  const cudaError_t launched = cudaGraphLaunch(found->second.graph.get(), stream_);
  if (launched == cudaSuccess || !is_alone) return check_cuda(launched, "cudaGraphLaunch");
  try {
    check_cuda(launched, "cudaGraphLaunch");
  } catch (const device_error& error) {
    why_ = error.what();
  }
  operations_ = std::move(found->second.operations);
  graphs_.erase(found);
  enqueue_kept();
}

void step_graphs::end(bool is_alone, const agreement& agree) {
  if (mode_ == step_mode::eager) return;
  if (mode_ == step_mode::replayed) return launch(is_alone);
  graph_exec_owner graph = make_graph();
  const bool is_made = static_cast<bool>(graph);
  const bool is_agreed = is_alone ? is_made : agree(is_made);
  if (!is_agreed) return enqueue_kept();
  graphs_[key_] = {std::move(graph), std::exchange(operations_, {})};
  launch(is_alone);
}

}  // namespace troupe::cuda
