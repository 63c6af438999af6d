#include "net/answer_plan.hpp"

namespace troupe {
namespace {

std::uint64_t seed_of_run(std::uint64_t seed, std::uint64_t run) {
  if (run == 0) return seed;
  // Splitmix64: neighbouring seeds and runs must not meet. 53 bits, as draw_seed in
  // core/request.hpp.
  auto x = seed + run * 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return (x ^ (x >> 31U)) >> 11U;
}

}  // namespace

std::vector<answer_order> repeat(const answer_order& order, std::size_t num_runs) {
  std::vector<answer_order> out(num_runs, order);
  for (std::size_t run = 0; run < num_runs; ++run) {
    out[run].is_rerun = run > 0;
    auto& seed = out[run].request.sampling.seed;
    seed = seed_of_run(seed, run);
  }
  return out;
}

void bind(answer_plan& plan, const bound_grammar& form,
          const std::shared_ptr<const std::string>& text) {
  for (auto& order : plan.orders) {
    order.request.constraint = form.constraint;
    order.request.grammar_text = text;
  }
  plan.writer->warn(form.warnings);
}

void answer_writer::append_warnings(json_builder& json) const {
  if (warnings_.empty()) return;
  json.key("warnings").begin_array();
  for (auto& note : warnings_) {
    json.begin_object().field("pointer", note.pointer).field("keyword", note.keyword);
    json.field("reason", note.reason).end_object();
  }
  json.end_array();
}

void answer_writer::tell_warnings(json_builder& json) {
  append_warnings(json);
  warnings_.clear();
}

bool is_answer(const answer_end& end) {
  return end.why == finish_reason::stop || end.why == finish_reason::length;
}

http_error to_http_error(const answer_end& end) {
  failure why = end.error;
  if (why.message.empty()) why.message = "the request was " + std::string(to_string(end.why));
  switch (end.why) {
    case finish_reason::timed_out: why.code = error_code::timed_out; break;
    case finish_reason::cancelled:
      if (why.code == error_code::invalid_argument) why.code = error_code::shutting_down;
      break;
    default: break;
  }
  return to_http_error(why);
}

}  // namespace troupe
