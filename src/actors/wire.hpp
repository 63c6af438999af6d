// How the values of wire messages travel to another process: CAF's inspect for each of them. A
// moment travels as its distance from now, so that clocks need not agree; a run of numbers as one
// blob, because CAF would write them one by one. What holds handles of this process (a compiled
// constraint) stays behind.
#pragma once
#include "core/draft_plan.hpp"
#include "core/outcome.hpp"
#include "core/prefix_journal.hpp"
#include "core/request.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe {

static_assert(std::endian::native == std::endian::little, "blobs travel as they lie in memory");

template <class T>
struct blob_of {
  std::vector<T>& values;
};
template <class T>
blob_of<T> as_blob(std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {values};
}
template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, blob_of<T>& x) {
  std::string bytes;
  if constexpr (Inspector::reads_state) {
    bytes.assign(reinterpret_cast<const char*>(x.values.data()), x.values.size() * sizeof(T));
    return f(bytes);
  } else {
    auto load = [&]() -> caf::error {
      if (bytes.size() % sizeof(T) != 0) return caf::sec::invalid_argument;
      x.values.resize(bytes.size() / sizeof(T));
      if (!bytes.empty()) std::memcpy(x.values.data(), bytes.data(), bytes.size());
      return caf::none;
    };
    return f(bytes, caf::meta::load_callback(load));
  }
}

// A number as its bits: CAF would take it apart in a loop, which has no end for infinity.
template <class Float>
struct bits_of {
  Float& value;
};
template <class Float>
bits_of(Float&) -> bits_of<Float>;
template <class Inspector, class Float>
typename Inspector::result_type inspect(Inspector& f, bits_of<Float>& x) {
  using bit_type = std::conditional_t<sizeof(Float) == 4, std::uint32_t, std::uint64_t>;
  auto bits = std::bit_cast<bit_type>(x.value);
  if constexpr (Inspector::reads_state) {
    return f(bits);
  } else {
    auto load = [&]() -> caf::error {
      x.value = std::bit_cast<Float>(bits);
      return caf::none;
    };
    return f(bits, caf::meta::load_callback(load));
  }
}

struct bias_list {
  std::vector<std::pair<token_id, float>>& values;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, bias_list& x) {
  std::vector<token_id> tokens;
  std::vector<float> biases;
  for (auto& [token, bias] : x.values) {
    tokens.push_back(token);
    biases.push_back(bias);
  }
  auto token_blob = as_blob(tokens);
  auto bias_blob = as_blob(biases);
  if constexpr (Inspector::reads_state) {
    return f(token_blob, bias_blob);
  } else {
    auto load = [&]() -> caf::error {
      if (tokens.size() != biases.size()) return caf::sec::invalid_argument;
      x.values.clear();
      for (std::size_t i = 0; i < tokens.size(); ++i) x.values.emplace_back(tokens[i], biases[i]);
      return caf::none;
    };
    return f(token_blob, bias_blob, caf::meta::load_callback(load));
  }
}

// The moment zero means that something did not happen, here as there.
struct moment_of {
  steady_time& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, moment_of& x) {
  constexpr auto never = std::numeric_limits<std::int64_t>::min();
  using std::chrono::nanoseconds;
  auto now = std::chrono::steady_clock::now();
  std::int64_t distance = never;
  if constexpr (Inspector::reads_state) {
    if (x.value != steady_time{}) distance = nanoseconds(x.value - now).count();
    return f(distance);
  } else {
    auto load = [&]() -> caf::error {
      // Nobody waits for centuries; the sum of two moments must stay one.
      constexpr std::int64_t most = std::int64_t{1} << 61U;
      auto bounded = nanoseconds(std::clamp(distance, -most, most));
      x.value = distance == never ? steady_time{} : now + bounded;
      return caf::none;
    };
    return f(distance, caf::meta::load_callback(load));
  }
}

// Null and the empty text are one.
struct shared_text {
  std::shared_ptr<const std::string>& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, shared_text& x) {
  std::string text;
  if constexpr (Inspector::reads_state) {
    if (x.value) text = *x.value;
    return f(text);
  } else {
    auto load = [&]() -> caf::error {
      x.value = text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text));
      return caf::none;
    };
    return f(text, caf::meta::load_callback(load));
  }
}

template <class Inspector, class Tag>
typename Inspector::result_type inspect(Inspector& f, id<Tag>& x) {
  return f(x.value);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, failure& x) {
  return f(caf::meta::type_name("failure"), x.code, x.message, x.field, x.retry_after);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_usage& x) {
  return f(caf::meta::type_name("token_usage"), x.prompt_tokens, x.cached_tokens,
           x.completion_tokens);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sampled_token& x) {
  auto logprob = bits_of{x.logprob};
  auto most_likely = as_blob(x.most_likely);
  return f(caf::meta::type_name("sampled_token"), x.token, logprob, most_likely);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sampling_params& x) {
  auto temperature = bits_of{x.temperature};
  auto top_p = bits_of{x.top_p};
  auto min_p = bits_of{x.min_p};
  auto presence_penalty = bits_of{x.presence_penalty};
  auto frequency_penalty = bits_of{x.frequency_penalty};
  auto repetition_penalty = bits_of{x.repetition_penalty};
  auto stop_token_ids = as_blob(x.stop_token_ids);
  auto logit_bias = bias_list{x.logit_bias};
  return f(caf::meta::type_name("sampling_params"), temperature, top_p, x.top_k, min_p,
           presence_penalty, frequency_penalty, repetition_penalty, x.seed, x.max_tokens,
           x.min_tokens, x.ignore_eos, x.num_logprobs, stop_token_ids, logit_bias);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, generation_request& x) {
  auto prompt = as_blob(x.prompt);
  auto generated = as_blob(x.generated);
  auto grammar = shared_text{x.grammar_text};
  auto arrival = moment_of{x.arrival};
  auto queued = moment_of{x.queued};
  auto last_token = moment_of{x.last_token};
  auto deadline = moment_of{x.deadline};
  return f(caf::meta::type_name("generation_request"), x.id, prompt, generated, x.sampling, grammar,
           x.priority, x.cache_salt, arrival, queued, last_token, deadline);
}

struct optional_moment_of {
  std::optional<steady_time>& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, optional_moment_of& x) {
  auto value = x.value.value_or(steady_time{});
  auto moment = moment_of{value};
  if constexpr (Inspector::reads_state) {
    return f(moment);
  } else {
    auto load = [&]() -> caf::error {
      x.value.reset();
      if (value != steady_time{}) x.value = value;
      return caf::none;
    };
    return f(moment, caf::meta::load_callback(load));
  }
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, draft_counts& x) {
  return f(x.num_drafts, x.num_draft_tokens, x.num_accepted_tokens);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, prefix_changes& x) {
  auto added = as_blob(x.added);
  auto removed = as_blob(x.removed);
  return f(added, removed);
}
}  // namespace troupe
