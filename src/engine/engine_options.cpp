#include "engine/engine_options.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace troupe {
namespace {

failure refuse(std::string field, std::string message) {
  return {error_code::invalid_argument, std::move(message), std::move(field), {}};
}

template <class Number>
refusal check_range(const char* member, Number found, Number low, Number high) {
  if (found >= low && found <= high) return nothing{};
  return refuse(member, std::string(member) + " is " + std::to_string(found) + ", expected " +
                            std::to_string(low) + " to " + std::to_string(high));
}

template <std::size_t Size>
refusal check_word(const char* member, const std::string& found,
                   const std::array<std::string_view, Size>& known) {
  if (std::ranges::find(known, found) != known.end()) return nothing{};
  std::string expected;
  for (auto word : known) expected += (expected.empty() ? "" : ", ") + std::string(word);
  return refuse(member, std::string(member) + " is \"" + found + "\", expected one of " + expected);
}

refusal check_time(const char* member, std::chrono::milliseconds found) {
  if (found.count() > 0) return nothing{};
  return refuse(member, std::string(member) + " is " + std::to_string(found.count()) +
                            " ms, expected at least 1 ms");
}

refusal check_memory(const engine_options& o) {
  const double share = o.memory_utilization.value_or(1);
  if (!(share >= 0.01 && share <= 1))
    return refuse("memory_utilization", "memory_utilization is " + std::to_string(share) +
                                            ", expected a share from 0.01 to 1");
  if (o.kv_cache_bytes && o.num_kv_pages)
    return refuse("num_kv_pages",
                  "kv_cache_bytes and num_kv_pages both say how large the KV cache "
                  "is, expected at most one of them");
  return nothing{};
}

// A flag whose member has another name than its own with underscores.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> other_names = {{
    {"--gpu-memory-utilization", "memory_utilization"},
    {"--kv-cache-dtype", "kv_dtype"},
    {"--kv-cache-memory-bytes", "kv_cache_bytes"},
    {"--load-format", "format"},
    {"--max-num-queued-reqs", "max_queued_requests"},
    {"--max-num-queued-tokens", "max_queued_tokens"},
    {"--num-gpu-blocks-override", "num_kv_pages"},
    {"--quantization", "weights"},
}};

std::string member_of(std::string_view flag) {
  const auto* other =
      std::ranges::find(other_names, flag, &std::pair<std::string_view, std::string_view>::first);
  if (other != other_names.end()) return std::string(other->second);
  std::string out(flag.substr(2));
  std::ranges::replace(out, '-', '_');
  return out;
}

bool is_flag_letter(char c) { return (c >= 'a' && c <= 'z') || c == '-'; }

std::string name_members_in(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (!text.starts_with("--") || text.size() < 3 || text[2] < 'a' || text[2] > 'z') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto* end = std::ranges::find_if_not(text, is_flag_letter);
    const auto length = static_cast<std::size_t>(end - text.begin());
    out += member_of(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

refusal check_options(const engine_options& o) {
  using std::uint32_t;
  if (o.model_dir.empty()) return refuse("model_dir", "model_dir is empty, expected a directory");
  const std::array<refusal, 18> all = {
      check_word("dtype", o.dtype, std::array<std::string_view, 3>{"auto", "bfloat16", "float32"}),
      check_range<uint32_t>("max_num_seqs", o.max_num_seqs, 1, 4096),
      check_range<uint32_t>("max_num_batched_tokens", o.max_num_batched_tokens, 1, 65536),
      check_range<uint32_t>("num_speculative_tokens", o.num_speculative_tokens.value_or(0), 0, 64),
      check_range<uint32_t>("prompt_lookup_min", o.prompt_lookup_min, 2, 64),
      check_range<uint32_t>("prompt_lookup_max", o.prompt_lookup_max, 2, 64),
      check_range<uint32_t>("max_speculative_rows", o.max_speculative_rows, 1, 4096),
      check_word("tensor_parallel_size", std::to_string(o.tensor_parallel_size),
                 std::array<std::string_view, 4>{"1", "2", "4", "8"}),
      check_range<uint32_t>("num_nodes", o.num_nodes, 1, 1),  // more are `troupe serve`'s
      check_range<uint32_t>("threads", o.threads, 0, 1024),
      check_memory(o),
      check_range<uint32_t>("max_queued_requests", o.max_queued_requests, 1, ~0U),
      check_range<std::uint64_t>("max_queued_tokens", o.max_queued_tokens, 1, ~0ULL),
      check_range<std::uint64_t>("grammar_cache_bytes", o.grammar_cache_bytes, 1, ~0ULL),
      check_time("queue_timeout", o.queue_timeout),
      check_time("request_timeout", o.request_timeout),
      check_time("executor_timeout", o.executor_timeout),
      check_time("stall_timeout", o.stall_timeout),
  };
  for (const auto& one : all)
    if (!one) return one.error();
  return nothing{};
}

failure name_members(failure why) {
  why.field = why.field == "MODEL_DIR" ? "model_dir" : name_members_in(why.field);
  why.message = name_members_in(why.message);
  return why;
}

}  // namespace troupe
