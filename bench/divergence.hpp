// How far the logits of one run of a model are from those of another.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <span>
#include <vector>

#include "core/batch.hpp"

namespace troupe::bench {

// Tokens first .. first + count - 1 of one sequence, in pages 0, 1, ...
inline step_batch chunk_of(const std::vector<token_id>& tokens, std::uint32_t first,
                           std::uint32_t count, bool sample) {
  step_batch batch;
  if (first == 0) batch.starts.push_back({.slot = 0, .history = {1}, .num_prompt_tokens = 1});
  const std::uint32_t num_pages = (first + count - 1) / page_size_tokens + 1;
  batch.chunks.push_back({0, 0, count, first, 0, num_pages, sample});
  batch.tokens.assign(tokens.begin() + first, tokens.begin() + first + count);
  batch.page_table.resize(num_pages);
  std::iota(batch.page_table.begin(), batch.page_table.end(), 0U);
  return batch;
}

inline std::vector<double> log_probabilities(std::span<const float> logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - highest);
  std::vector<double> out;
  for (const float x : logits) out.push_back(x - highest - std::log(sum));
  return out;
}

// Mean Kullback-Leibler divergence, and how often the most likely token is the same.
inline void print_divergence(const char* name, const std::vector<float>& exact,
                             const std::vector<float>& other, std::size_t vocab) {
  double divergence = 0;
  std::size_t same = 0;
  const std::size_t rows = exact.size() / vocab;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto p = log_probabilities(std::span(exact).subspan(row * vocab, vocab));
    const auto q = log_probabilities(std::span(other).subspan(row * vocab, vocab));
    for (std::size_t i = 0; i < vocab; ++i) divergence += std::exp(p[i]) * (p[i] - q[i]);
    same += std::max_element(p.begin(), p.end()) - p.begin() ==
            std::max_element(q.begin(), q.end()) - q.begin();
  }
  std::printf("%-36s KL %.2e nats, top-1 the same in %.2f %% of %zu positions\n", name,
              divergence / static_cast<double>(rows),
              100.0 * static_cast<double>(same) / static_cast<double>(rows), rows);
}

}  // namespace troupe::bench
