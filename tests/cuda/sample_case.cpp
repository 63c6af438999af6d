#include "cuda/sample_case.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace troupe::cuda {

sample_case::sample_case(std::uint32_t num_tokens, std::uint32_t num_columns,
                         std::vector<token_id> eos, std::uint32_t num_slots)
    : num_tokens_(num_tokens),
      num_columns_(num_columns),
      eos_(eos),
      host_({num_tokens, num_slots, std::move(eos)}),
      memory_(num_slots),
      positions_(num_slots),
      params_(num_slots),
      slots_(num_slots),
      next_tokens_(std::vector<std::int32_t>(num_slots, -5)) {}

void sample_case::start(const slot_start& start) {
  host_.start(start);
  slot_image image = make_slot_image(start, eos_, num_tokens_);
  auto memory = std::make_unique<slot_memory>();
  memory->biases = device_array<token_bias>(image.biases);
  memory->impossible = device_array<std::int32_t>(image.impossible);
  image.uses.resize(image.max_uses);
  memory->uses = device_array<token_use>(image.uses);
  image.slot.uses = memory->uses.data();
  image.slot.max_uses = image.max_uses;
  image.slot.biases = memory->biases.data();
  image.slot.impossible = memory->impossible.data();
  slots_[start.slot] = image.slot;
  memory_[start.slot] = std::move(memory);
  positions_[start.slot] = start.history.size();
  params_[start.slot] = start.sampling;
}

namespace {

constexpr std::uint32_t max_logprobs = 6;

// A step's rows as the kernel reads them.
struct step_rows {
  std::vector<sample_group> groups;
  std::vector<std::int32_t> tokens;
  std::vector<std::uint32_t> logit_rows;
  std::vector<std::uint32_t> mask_indices;
  std::vector<std::uint32_t> masks;
  std::uint32_t num_rows = 0;
};

void add_rows(const sampled_rows& of_slot, std::uint32_t num_tokens, step_rows& step) {
  const auto count = static_cast<std::uint32_t>(of_slot.logits.size());
  step.groups.push_back({of_slot.slot, step.num_rows, count});
  for (std::uint32_t i = 0; i < count; ++i) {
    // Rows of the step that are not sampled stand between.
    step.tokens.insert(step.tokens.end(), {-7, i == 0 ? 0 : of_slot.drafts[i - 1]});
    step.logit_rows.push_back(static_cast<std::uint32_t>(step.tokens.size()) - 1);
    const bool has_mask = i == 0 && of_slot.mask;
    const auto num_masks = static_cast<std::uint32_t>(step.masks.size() / mask_words(num_tokens));
    step.mask_indices.push_back(has_mask ? num_masks : no_mask);
    if (has_mask) step.masks.insert(step.masks.end(), of_slot.mask->begin(), of_slot.mask->end());
  }
  step.num_rows += count;
}

// [num_ranks, num_rows, num_columns / num_ranks]
std::vector<float> logits_by_rank(const std::vector<sampled_rows>& rows, std::uint32_t num_rows,
                                  std::uint32_t num_columns, std::uint32_t num_ranks) {
  const std::uint32_t columns = num_columns / num_ranks;
  std::vector<float> out(std::size_t{num_rows} * num_columns);
  std::uint32_t row = 0;
  for (const sampled_rows& of_slot : rows) {
    for (const auto& line : of_slot.logits) {
      for (std::uint32_t c = 0; c < num_columns; ++c) {
        out[(std::size_t{c / columns} * num_rows + row) * columns + c % columns] = line[c];
      }
      ++row;
    }
  }
  return out;
}

}  // namespace

void sample_case::step(const std::vector<sampled_rows>& rows, std::uint32_t num_ranks,
                       std::uint32_t num_scratch_rows) {
  step_rows step;
  for (const sampled_rows& of_slot : rows) add_rows(of_slot, num_tokens_, step);
  step.groups.push_back({});  // a padding group
  const auto logits = logits_by_rank(rows, step.num_rows, num_columns_, num_ranks);
  device_array<float> logit_memory(logits);
  device_array<sample_group> groups(step.groups);
  device_array<std::int32_t> tokens(step.tokens);
  device_array<std::uint32_t> logit_rows(step.logit_rows);
  device_array<std::uint32_t> mask_indices(step.mask_indices);
  device_array<std::uint32_t> masks(step.masks);
  device_array<chosen_token> chosen(step.num_rows);
  device_array<likely_token> likely(std::size_t{step.num_rows} * max_logprobs);
  device_array<device_fault> fault(std::vector<device_fault>{device_fault::none});
  device_array<std::byte> scratch(num_scratch_rows * sample_scratch_bytes(num_tokens_));
  const sample_args args{.logits = logit_memory.data(),
                         .num_ranks = num_ranks,
                         .num_rows = step.num_rows,
                         .columns_per_rank = num_columns_ / num_ranks,
                         .num_tokens = num_tokens_,
                         .groups = groups.data(),
                         .num_groups = static_cast<std::uint32_t>(step.groups.size()),
                         .tokens = tokens.data(),
                         .logit_rows = logit_rows.data(),
                         .mask_indices = mask_indices.data(),
                         .masks = masks.data(),
                         .first_eos = eos_.empty() ? -1 : eos_.front(),
                         .fault = fault.data(),
                         .slots = slots_.data(),
                         .next_tokens = next_tokens_.data(),
                         .chosen = chosen.data(),
                         .most_likely = likely.data(),
                         .max_logprobs = max_logprobs,
                         .scratch = scratch.data(),
                         .num_scratch_rows = num_scratch_rows};
  REQUIRE(is_fine(sample(args, nullptr)));
  CHECK((chosen.is_whole() && likely.is_whole() && scratch.is_whole() && slots_.is_whole() &&
         next_tokens_.is_whole() && fault.is_whole()));
  fault_ = fault[0];
  for (const sampled_rows& of_slot : rows) CHECK(memory_[of_slot.slot]->uses.is_whole());
  // The logits are the caller's.
  CHECK(std::equal(logits.begin(), logits.end(), logit_memory.values().begin(),
                   [](float a, float b) { return a == b || (a != a && b != b); }));
  compare(rows, chosen, likely);
}

void sample_case::compare(const std::vector<sampled_rows>& groups,
                          device_array<chosen_token>& chosen, device_array<likely_token>& likely) {
  tokens_.clear();
  std::uint32_t row = 0;
  for (const sampled_rows& of_slot : groups) {
    CAPTURE(of_slot.slot);
    bool is_sampled = true;
    std::int32_t last = 0;
    for (std::size_t i = 0; i < of_slot.logits.size(); ++i, ++row) {
      CAPTURE(i);
      const chosen_token& got = chosen[row];
      tokens_.push_back(got.token);
      if (!is_sampled) {
        CHECK(got.token == not_sampled);
        continue;
      }
      const std::span<const std::uint32_t> mask =
          i == 0 && of_slot.mask ? std::span(*of_slot.mask) : std::span<const std::uint32_t>{};
      sampled_token expected;
      try {
        expected = host_.sample(of_slot.slot, of_slot.logits[i], mask, scratch_);
      } catch (const device_error&) {
        REQUIRE((fault_ == device_fault::no_numbers));
        return;  // no step follows on either side
      }
      ++num_compared_;
      ++positions_[of_slot.slot];
      REQUIRE(got.token == expected.token);
      last = got.token;
      const auto near = [](float a, float b) {
        return a == b || std::abs(a - b) <= 1e-5F * (1 + std::abs(b)) || (a != a && b != b);
      };
      CHECK(near(got.logprob, expected.logprob));
      for (std::uint32_t k = 0; k < expected.most_likely.size() && k < max_logprobs; ++k) {
        const likely_token& entry = likely[row * max_logprobs + k];
        CHECK(entry.token == expected.most_likely[k].token);
        CHECK(near(entry.logprob, expected.most_likely[k].logprob));
      }
      is_sampled = i < of_slot.drafts.size() && got.token == of_slot.drafts[i];
    }
    CHECK(next_tokens_[of_slot.slot] == last);
    CHECK(slots_[of_slot.slot].position == positions_[of_slot.slot]);
  }
  CHECK((fault_ == device_fault::none));
}

}  // namespace troupe::cuda
