// A model with dummy weights on one GPU, all of its ranks, and steps for it.
#pragma once
#include <future>
#include <stdexcept>

#include "cuda/cuda_runner.hpp"
#include "gpu/engine.hpp"

namespace troupe::bench {

template <class T>
T value_of(outcome<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

// So many sequences, each with a chunk of rows behind its context.
struct step_case {
  std::uint32_t sequences = 1;
  std::uint32_t context = 512;  // tokens before the chunk
  std::uint32_t chunk = 1;
};
std::vector<step_case> cases_for(const std::string& shape);

class loaded_engine {
 public:
  // Prints what loading took.
  explicit loaded_engine(const engine_options& options);

  step_result run(const step_batch& batch);
  std::vector<float> logits(const step_batch& batch);
  const model_config& config() const { return config_; }
  const cuda_runner_options& limits() const { return limits_; }

 private:
  template <class Call>
  auto on_all(const Call& call) {
    std::vector<std::future<decltype(call(*ranks_[0]))>> others;
    for (std::size_t r = 1; r < ranks_.size(); ++r) {
      others.push_back(std::async(std::launch::async, [&, r] { return call(*ranks_[r]); }));
    }
    auto first = call(*ranks_[0]);
    for (auto& other : others) other.get();
    return first;
  }

  model_config config_;
  cuda_runner_options limits_;
  std::shared_ptr<const cuda_model> model_;
  std::vector<std::unique_ptr<model_runner>> ranks_;
};

std::vector<token_id> prompt_for(const model_config& config, std::uint32_t count);
// The prompt's tokens first .. first + count - 1 in slot 0; the first ones start it.
step_batch chunk_of(const std::vector<token_id>& tokens, std::uint32_t first, std::uint32_t count);
// Logits of all rows, computed so many rows a step.
std::vector<float> logits_in_chunks(loaded_engine& target, const std::vector<token_id>& tokens,
                                    std::uint32_t chunk);

}  // namespace troupe::bench
