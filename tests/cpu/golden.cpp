#include "golden.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <numeric>

#include "model/token_choice.hpp"

namespace troupe::testing {
namespace {

test_sequence sequence_of(std::vector<token_id> tokens) {
  test_sequence sequence;
  sequence.tokens = std::move(tokens);
  sequence.pages.resize(80);
  std::iota(sequence.pages.begin(), sequence.pages.end(), 0U);
  return sequence;
}

void widen(float& largest, double a, double b) {
  const auto distance = static_cast<float>(std::fabs(a - b));
  if (!(distance <= largest)) largest = distance;  // a NaN stays visible
}

}  // namespace

std::filesystem::path golden_models() {
  const char* root = std::getenv("TROUPE_SHARED_DATA");
  std::filesystem::path models = std::filesystem::path(root == nullptr ? "" : root) / "models";
  if (root != nullptr && std::filesystem::exists(models / "golden")) return models;
  std::cout << "SKIPPED: TROUPE_SHARED_DATA has no models/golden\n";
  return {};
}

loaded_model load_tiny() {
  const auto directory = golden_models() / "tiny";
  loaded_model out;
  out.config = value_of(read_model_config(directory));
  out.weights = value_of(load_weights(directory, out.config));
  return out;
}

golden_distance compare_with_golden(test_replica& replica, std::map<std::string, npy_array>& golden,
                                    int length, float gap) {
  std::string suffix = "_";
  suffix += std::to_string(length);
  auto prompts = read_npz(golden_models() / "golden" / "prompts.npz");
  const test_sequence sequence = sequence_of(prompts.at("ids" + suffix).ints());
  const std::vector<float> logits = logits_in_chunks(replica, sequence, 64);
  const std::size_t rows = sequence.tokens.size();
  const std::size_t vocab = logits.size() / rows;
  const auto ids = golden.at("top16_ids" + suffix).ints();
  const auto top16 = golden.at("top16_val" + suffix).floats();
  const auto lse = golden.at("lse" + suffix).floats();
  const auto argmax = golden.at("argmax" + suffix).ints();
  golden_distance out;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::span<const float> row(logits.data() + r * vocab, vocab);
    for (std::size_t i = 0; i < 16; ++i) {
      widen(out.top16, row[static_cast<std::size_t>(ids[r * 16 + i])], top16[r * 16 + i]);
    }
    widen(out.lse, log_sum_exp(row), lse[r]);
    out.argmax += most_likely(row) != argmax[r] && top16[r * 16] - top16[r * 16 + 1] > gap ? 1 : 0;
  }
  const auto last = golden.at("last" + suffix).floats();
  for (std::size_t i = 0; i < vocab; ++i) {
    widen(out.last, logits[(rows - 1) * vocab + i], last[i]);
  }
  const auto greedy = golden.at("greedy" + suffix).ints();
  const auto top1 = golden.at("greedy_top1" + suffix).floats();
  const auto top2 = golden.at("greedy_top2" + suffix).floats();
  const auto tokens = greedy_tokens(replica, sequence, static_cast<std::uint32_t>(greedy.size()));
  for (std::size_t i = 0; i < greedy.size() && top1[i] - top2[i] > gap; ++i) {
    out.greedy += tokens[i] != greedy[i] ? 1 : 0;
  }
  return out;
}

}  // namespace troupe::testing
