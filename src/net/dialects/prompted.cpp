#include "net/dialects/prompted.hpp"

#include "net/best_of.hpp"
#include "net/sampling_fields.hpp"

namespace troupe {

prompted_wishes read_prompted(body_fields& fields, const body_context& context) {
  prompted_wishes w;
  check_model(fields, context.facts);
  w.prompts = read_prompts(fields, "prompt", context.facts);
  auto& sampling = w.order.request.sampling;
  sampling = read_sampling(fields, context.facts, context.seed);
  sampling.num_logprobs = read_logprobs(fields);
  w.order.request.priority = read_priority(fields);
  w.order.text = read_text_options(fields);
  w.num_kept = static_cast<std::size_t>(fields.integer("n", 1, {1, max_runs}));
  auto at_least = static_cast<std::int64_t>(w.num_kept);
  w.num_runs = static_cast<std::size_t>(fields.integer("best_of", at_least, {at_least, max_runs}));
  w.echo = fields.flag("echo", false);
  w.has_token_ids = fields.flag("return_token_ids", false);
  return w;
}

void check_prompted(body_fields& fields, const prompted_wishes& w, bool stream) {
  check_runs(fields, w.prompts.size(), {w.num_runs, w.num_kept}, stream);
  if (w.echo && w.order.request.sampling.num_logprobs >= 0)
    fields.refuse("echo", "echo with logprobs is not offered: the prompt's tokens have none",
                  error_code::unsupported);
}

}  // namespace troupe
