#include "model/dummy_weights.hpp"

#include "model/weight_table.hpp"
#include "model/weights.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace troupe {
namespace {

// One thread's turn: a run of one tensor's elements, long enough to hide the counter's cost.
struct fill_task {
  std::uint16_t* out = nullptr;  // bfloat16 bits
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t key = 0;
  weight_kind kind = weight_kind::matrix;
};
constexpr std::uint64_t elements_per_task = 1U << 20;

void perform(const fill_task& task) {
  if (task.kind == weight_kind::norm) {
    std::fill_n(task.out, task.count, to_bfloat16(1.0F).bits);
    return;
  }
  for (std::uint64_t i = 0; i < task.count; ++i) {
    task.out[i] = dummy_element(task.key, task.first + i).bits;
  }
}

std::uint64_t num_elements(const weight_entry& entry) {
  std::uint64_t count = 1;
  for (std::int64_t size : entry.shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

void perform_all(const std::vector<fill_task>& tasks) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < tasks.size(); i = next++) perform(tasks[i]);
  };
  std::vector<std::jthread> helpers;
  const std::size_t wanted = std::min<std::size_t>(std::thread::hardware_concurrency(), 64);
  try {
    for (std::size_t i = 1; i < std::min(wanted, tasks.size()); ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {
    // A machine that grants no more threads gets the same numbers later.
  }
  work();
}

}  // namespace

outcome<model_weights> make_dummy_weights(const model_config& config, std::uint64_t seed) try {
  model_weights out;
  const std::vector<weight_entry> entries = list_weights(config, out);
  std::uint64_t total = 0;
  for (const weight_entry& entry : entries) total += num_elements(entry);
  // Plain integers, whose memory is not touched before the threads fill it.
  auto storage = std::make_shared_for_overwrite<std::uint16_t[]>(total);
  std::vector<fill_task> tasks;
  std::uint16_t* at = storage.get();
  for (const weight_entry& entry : entries) {
    const std::uint64_t count = num_elements(entry);
    const std::uint64_t key = dummy_key(seed, entry.name);
    for (std::uint64_t first = 0; first < count; first += elements_per_task) {
      const std::uint64_t run = std::min(elements_per_task, count - first);
      tasks.push_back({at + first, first, run, key, entry.kind});
    }
    *entry.target = {dtype::bfloat16, entry.shape, std::as_bytes(std::span(at, count))};
    at += count;
  }
  perform_all(tasks);
  if (config.tie_word_embeddings) out.lm_head = out.embedding;
  out.storage = std::move(storage);
  return out;
} catch (const std::bad_alloc&) {
  return failure{error_code::too_large, "There is not enough memory for the seeded weights.",
                 "load-format"};
}

}  // namespace troupe
