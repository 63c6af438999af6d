// Steps as CUDA graphs: the first step of a kind runs as it is told, the second one is recorded
// while it is told, later ones are one launch. A graph is never the reason for a failure: where one
// cannot be made the same step is enqueued operation by operation, and so are all later ones of its
// kind.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cuda/owners.hpp"

namespace troupe::cuda {

// Steps of one key have everything at the same addresses.
struct graph_key {
  std::uint32_t rows = 0;
  std::uint32_t parts = 0;
  auto operator<=>(const graph_key&) const = default;
};

class step_graphs {
 public:
  // Enqueues one operation; may be called again for a later step of the same key.
  using operation = std::function<void()>;
  // Whether all ranks say yes. Every rank asks at the same step: whether its operations come from a
  // graph is the same on all of them.
  using agreement = std::function<bool(bool mine)>;

  // `warn`, which may be empty, gets a sentence for every key that has to do without.
  step_graphs(cudaStream_t stream, std::function<void(const std::string&)> warn)
      : stream_(stream), warn_(std::move(warn)) {}
  ~step_graphs() { abandon(); }
  step_graphs(const step_graphs&) = delete;
  step_graphs& operator=(const step_graphs&) = delete;

  // The operations of a step come next.
  void begin_eager() { mode_ = step_mode::eager; }
  void begin(const graph_key& key);
  // Enqueues it now, or when the step ends.
  template <class Operation>
  void tell(const Operation& one) {
    if (mode_ == step_mode::eager) return one();
    if (mode_ != step_mode::replayed) keep(one);
  }
  // Of a step that failed while it was recorded: the stream is usable again.
  void abandon() noexcept { static_cast<void>(end_capture()); }
  // All of the step is enqueued. `is_alone`: no other rank has to do the same.
  void end(bool is_alone, const agreement& agree);

 private:
  // How operations become work: enqueued, recorded, recorded before, or kept because recording
  // failed.
  enum class step_mode : std::uint8_t { eager, captured, replayed, kept };
  struct recorded_step {
    graph_exec_owner graph;
    std::vector<operation> operations;  // what it consists of
  };

  void keep(operation one);
  void give_up(std::string why);
  graph_owner end_capture() noexcept;
  graph_exec_owner make_graph();
  void enqueue_kept();
  void launch(bool is_alone);

  cudaStream_t stream_;
  std::function<void(const std::string&)> warn_;
  step_mode mode_ = step_mode::eager;
  bool is_capturing_ = false;
  graph_key key_;
  std::vector<operation> operations_;  // of the step that is recorded
  std::string why_;                    // it could not be; empty: nothing is known yet
  std::set<graph_key> seen_;
  std::set<graph_key> without_;  // a graph
  std::map<graph_key, recorded_step> graphs_;
};

}  // namespace troupe::cuda
