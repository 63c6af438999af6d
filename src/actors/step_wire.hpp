// How steps travel to the ranks of other processes. These choose no tokens: rank 0 does, and stays
// beside the batcher. Of a mask they only learn whether its row takes part, so the bits of the
// vocabulary stay behind.
#pragma once
#include "actors/wire.hpp"
#include "core/batch.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace troupe {

// Nine words each: a bool of a blob might be neither.
struct chunk_list {
  std::vector<chunk>& values;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, chunk_list& x) {
  constexpr std::size_t width = 9;
  std::vector<std::uint32_t> words;
  auto blob = as_blob(words);
  if constexpr (Inspector::reads_state) {
    for (auto& c : x.values)
      for (auto word : {c.slot, c.first_token_idx, c.num_tokens, c.first_position, c.first_page_idx,
                        c.num_pages, std::uint32_t{c.sample}, c.mask_idx, c.num_drafts})
        words.push_back(word);
    return f(blob);
  } else {
    auto load = [&]() -> caf::error {
      if (words.size() % width != 0) return caf::sec::invalid_argument;
      x.values.clear();
      for (std::size_t i = 0; i < words.size(); i += width)
        x.values.push_back({words[i], words[i + 1], words[i + 2], words[i + 3], words[i + 4],
                            words[i + 5], words[i + 6] != 0, words[i + 7], words[i + 8]});
      return caf::none;
    };
    return f(blob, caf::meta::load_callback(load));
  }
}

// Which of them are there: 0 or 1 each, and how long one is. What arrives allows no token.
struct mask_presence {
  std::vector<token_mask_ptr>& values;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, mask_presence& x) {
  constexpr std::uint32_t max_words = 1U << 20;
  std::vector<std::uint8_t> is_there;
  std::uint32_t num_words = 0;
  auto blob = as_blob(is_there);
  if constexpr (Inspector::reads_state) {
    for (auto& mask : x.values) {
      is_there.push_back(mask ? 1 : 0);
      if (mask) num_words = static_cast<std::uint32_t>(mask->size());
    }
    return f(blob, num_words);
  } else {
    auto load = [&]() -> caf::error {
      if (num_words > max_words) return caf::sec::invalid_argument;
      auto stand_in = std::make_shared<const token_mask>(num_words);
      x.values.clear();
      for (auto one : is_there) x.values.push_back(one != 0 ? stand_in : nullptr);
      return caf::none;
    };
    return f(blob, num_words, caf::meta::load_callback(load));
  }
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_start& x) {
  auto history = as_blob(x.history);
  return f(caf::meta::type_name("slot_start"), x.slot, x.sampling, history, x.num_prompt_tokens,
           x.rope);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, step_batch& x) {
  auto chunks = chunk_list{x.chunks};
  auto tokens = as_blob(x.tokens);
  auto page_table = as_blob(x.page_table);
  auto masks = mask_presence{x.masks};
  return f(caf::meta::type_name("step_batch"), x.id, x.starts, chunks, tokens, page_table, masks);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, step_masks& x) {
  auto masks = mask_presence{x.masks};
  return f(caf::meta::type_name("step_masks"), x.id, masks);
}

struct shared_batch {
  std::shared_ptr<const step_batch>& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, shared_batch& x) {
  if constexpr (Inspector::reads_state) {
    // An inspector that reads wants an lvalue all the same.
    return f(const_cast<step_batch&>(*x.value));
  } else {
    step_batch batch;
    auto load = [&]() -> caf::error {
      x.value = std::make_shared<const step_batch>(std::move(batch));
      return caf::none;
    };
    return f(batch, caf::meta::load_callback(load));
  }
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_sample& x) {
  return f(caf::meta::type_name("slot_sample"), x.slot, x.sampled);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, step_result& x) {
  return f(caf::meta::type_name("step_result"), x.id, x.samples);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, outcome<step_result>& x) {
  bool has_result = static_cast<bool>(x);
  step_result result;
  failure error;
  if constexpr (Inspector::reads_state) {
    if (x)
      result = *x;
    else
      error = x.error();
    return f(has_result, result, error);
  } else {
    auto load = [&]() -> caf::error {
      if (has_result)
        x = std::move(result);
      else
        x = std::move(error);
      return caf::none;
    };
    return f(has_result, result, error, caf::meta::load_callback(load));
  }
}

}  // namespace troupe
