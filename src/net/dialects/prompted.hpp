// What the APIs that continue a prompt ask for alike: prompts, sampling, how many answers.
#pragma once
#include <cstddef>
#include <vector>

#include "net/body_fields.hpp"
#include "net/body_reader.hpp"
#include "net/prompt_field.hpp"

namespace troupe {

struct prompted_wishes {
  std::vector<given_prompt> prompts;
  answer_order order;
  std::size_t num_runs = 1;  // of each prompt (best_of)
  std::size_t num_kept = 1;  // of them (n)
  bool echo = false;
  bool has_token_ids = false;
};

// All of it but the stream; what is wrong stays in `fields`.
prompted_wishes read_prompted(body_fields& fields, const body_context& context);
// Refuses what does not go together.
void check_prompted(body_fields& fields, const prompted_wishes& w, bool stream);

}  // namespace troupe
