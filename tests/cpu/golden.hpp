// The recorded answers of another implementation, and how far ours are from them. For tests only.
#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "npz.hpp"
#include "replica.hpp"

namespace troupe::testing {

// TROUPE_SHARED_DATA/models; empty, with a visible message, when it is not there.
std::filesystem::path golden_models();

struct loaded_model {
  model_config config;
  model_weights weights;
};
loaded_model load_tiny();

struct golden_distance {
  float top16 = 0;  // largest |difference| of the 16 highest logits at any position
  float lse = 0;    // of log-sum-exp
  float last = 0;   // of the last position's logits
  int argmax = 0;   // positions whose argmax differs although the recorded gap is above the limit
  int greedy = 0;   // generated tokens that differ, up to the first one below the limit
};

// For the prompt of `length` tokens. Greedy tokens are compared while the gap between the two
// highest recorded logits is above `gap`.
golden_distance compare_with_golden(test_replica& replica, std::map<std::string, npy_array>& golden,
                                    int length, float gap);

}  // namespace troupe::testing
