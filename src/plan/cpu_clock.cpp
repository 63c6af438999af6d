#include "plan/cpu_clock.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/sequence.hpp"
#include "plan/verdict.hpp"
#include "sim/step_time.hpp"

namespace troupe::planning {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::uint32_t short_context = 16;
constexpr std::uint32_t long_context = 1024;
constexpr std::uint32_t reading_seqs = 8;
constexpr std::size_t least_rounds = 3, most_rounds = 25;
constexpr double enough_seconds = 8;

step_load load_of(const probe& one) {
  const std::uint64_t rows = one.rows_each, before = one.context;
  return {.num_rows = one.rows(),
          .num_logit_rows = one.has_logits ? one.num_seqs : 0,
          .num_read = one.num_seqs * (before + rows),
          .num_attended = one.num_seqs * (rows * before + rows * (rows + 1) / 2)};
}

// The step of a probe; every sequence has pages of its own.
step_batch make_batch(const probe& one, std::uint32_t pages_each, std::uint32_t vocab_size) {
  step_batch out;
  for (std::uint32_t slot = 0; slot < one.num_seqs; ++slot) {
    const std::uint32_t num_pages = pages_for(one.context + one.rows_each);
    out.starts.push_back({.slot = slot, .history = {0}, .num_prompt_tokens = 1});
    out.chunks.push_back({.slot = slot,
                          .first_token_idx = slot * one.rows_each,
                          .num_tokens = one.rows_each,
                          .first_position = one.context,
                          .first_page_idx = static_cast<std::uint32_t>(out.page_table.size()),
                          .num_pages = num_pages,
                          .sample = one.has_logits});
    for (std::uint32_t i = 0; i < one.rows_each; ++i)
      out.tokens.push_back(static_cast<token_id>((slot * 7919U + i * 13U) % vocab_size));
    for (std::uint32_t p = 0; p < num_pages; ++p) out.page_table.push_back(slot * pages_each + p);
  }
  return out;
}

double seconds_of(runner& device, const step_batch& batch) {
  const auto start = clock::now();
  device.run(batch);
  return std::chrono::duration<double>(clock::now() - start).count();
}

std::vector<std::uint32_t> doublings(std::uint32_t last) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t n = 1; n < last; n *= 2) out.push_back(n);
  out.push_back(last);
  return out;
}

// The first two of a kind that differ in their context alone: seconds and positions between them.
struct difference {
  double seconds = 0, read = 0, attended = 0;
};
template <class Fits>
difference between_contexts(const std::vector<probe>& probes, const std::vector<double>& seconds,
                            const Fits& fits) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < probes.size(); ++i)
    if (fits(probes[i])) found.push_back(i);
  if (found.size() < 2) return {};
  const auto low = load_of(probes[found.front()]), high = load_of(probes[found.back()]);
  return {seconds[found.back()] - seconds[found.front()],
          static_cast<double>(high.num_read) - static_cast<double>(low.num_read),
          static_cast<double>(high.num_attended) - static_cast<double>(low.num_attended)};
}

void fit_attention(const std::vector<probe>& probes, const std::vector<double>& seconds,
                   cpu_clock& out) {
  std::uint32_t widest = 1;
  for (const auto& one : probes) widest = std::max(widest, one.rows_each);
  const auto prompt = between_contexts(
      probes, seconds, [&](const probe& one) { return one.rows_each == widest && widest > 1; });
  const auto decode = between_contexts(probes, seconds, [](const probe& one) {
    return one.rows_each == 1 && one.num_seqs == reading_seqs && !one.has_logits;
  });
  // A row that decodes reads what it attends to: its positions pay for both.
  const double both = decode.read > 0 ? std::max(0.0, decode.seconds / decode.read) : 0;
  if (prompt.attended > 0)
    out.seconds_per_attended = std::clamp(prompt.seconds / prompt.attended, 0.0, both);
  out.seconds_per_read = both - out.seconds_per_attended;
}

}  // namespace

double curve::at(double x) const {
  if (points_.empty()) return 0;
  if (points_.size() == 1 || x <= points_.front().x) return points_.front().y;
  auto right = std::ranges::find_if(points_, [x](const point& p) { return p.x >= x; });
  if (right == points_.end()) --right;
  const auto& [x1, y1] = *right;
  const auto& [x0, y0] = *(right - 1);
  return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

double cpu_clock::time(const step_batch& batch) const {
  const auto load = measure_load(batch);
  if (load.num_rows == 0) return 0;
  const double last = load.num_logit_rows > 0 ? logits.at(load.num_logit_rows) : 0;
  return rows.at(load.num_rows) + last + seconds_per_read * static_cast<double>(load.num_read) +
         seconds_per_attended * static_cast<double>(load.num_attended);
}

std::vector<probe> choose_probes(const engine_limits& limits) {
  std::vector<probe> out;
  const auto widest = std::min(limits.max_num_batched_tokens, limits.max_model_len - 1);
  const auto far = std::min(long_context, limits.max_model_len - widest);
  for (const auto rows : doublings(widest)) out.push_back({.rows_each = rows});
  out.push_back({.rows_each = widest, .context = far});
  const auto seqs = std::min(reading_seqs, limits.max_num_seqs);
  for (const auto context : {std::min(short_context, far), far})
    out.push_back({.num_seqs = seqs, .context = context});
  for (const auto num_seqs : doublings(limits.max_num_seqs))
    out.push_back({.num_seqs = num_seqs, .context = short_context, .has_logits = true});
  return out;
}

cpu_clock fit_clock(const std::vector<probe>& probes, const std::vector<double>& seconds) {
  cpu_clock out;
  fit_attention(probes, seconds, out);
  const auto attention = [&](const probe& one) {
    const auto load = load_of(one);
    return out.seconds_per_read * static_cast<double>(load.num_read) +
           out.seconds_per_attended * static_cast<double>(load.num_attended);
  };
  for (std::size_t i = 0; i < probes.size(); ++i) {
    const auto& one = probes[i];
    if (one.num_seqs == 1 && one.context == 0 && !one.has_logits)
      out.rows.add(one.rows_each, std::max(0.0, seconds[i] - attention(one)));
  }
  for (std::size_t i = 0; i < probes.size(); ++i) {
    const auto& one = probes[i];
    if (!one.has_logits) continue;
    const double rest = seconds[i] - attention(one) - out.rows.at(one.rows());
    out.logits.add(one.num_seqs, std::max(0.0, rest));
  }
  return out;
}

std::vector<double> measure(runner& device, const std::vector<probe>& probes,
                            const engine_limits& limits, std::uint32_t vocab_size) {
  std::vector<step_batch> batches;
  for (const auto& one : probes) {
    const auto pages_each = std::max(1U, limits.num_pages / one.num_seqs);
    batches.push_back(make_batch(one, pages_each, vocab_size));
  }
  std::vector<std::vector<double>> seconds(probes.size());
  const auto start = clock::now();
  for (std::size_t round = 0; round <= most_rounds; ++round) {
    for (std::size_t i = 0; i < probes.size(); ++i) {
      const double spent = seconds_of(device, batches[i]);
      if (round > 0) seconds[i].push_back(spent);  // the first one touches memory
    }
    const std::chrono::duration<double> spent = clock::now() - start;
    if (round >= least_rounds && spent.count() > enough_seconds) break;
  }
  std::vector<double> out;
  for (auto& one : seconds) out.push_back(percentile(std::move(one), 0.5));
  return out;
}

}  // namespace troupe::planning
