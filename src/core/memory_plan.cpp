#include "core/memory_plan.hpp"

#include "core/batch.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

namespace troupe {
namespace {

constexpr std::uint64_t bytes_per_mib = 1U << 20;
constexpr std::uint32_t typical_tokens = 2048;

// Sums and products of sizes stop at the top instead of wrapping to something small.
std::uint64_t add(std::uint64_t a, std::uint64_t b) { return a > ~b ? ~0ULL : a + b; }
std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
  return a != 0 && b > ~0ULL / a ? ~0ULL : a * b;
}

std::string mib(std::uint64_t bytes) {
  std::array<char, 64> text{};
  const double value = static_cast<double>(bytes) / static_cast<double>(bytes_per_mib);
  std::snprintf(text.data(), text.size(), "%.1f MiB", value);
  return text.data();
}

// For a flag's new value: whole MiB, never less than the bytes.
std::string whole_mib(std::uint64_t bytes) {
  return std::to_string(bytes / bytes_per_mib + (bytes % bytes_per_mib != 0 ? 1 : 0)) + " MiB";
}

failure refuse(std::string message, std::string flag) {
  return {error_code::invalid_argument, std::move(message), std::move(flag)};
}

std::uint64_t pages_for(std::uint64_t tokens) {
  return (tokens + page_size_tokens - 1) / page_size_tokens;
}

refusal check_request(const memory_request& r) {
  if (r.kv_page_bytes == 0) return refuse("A KV page of 0 bytes cannot be planned.", "");
  if (r.max_model_len == 0) return refuse("--max-model-len must be at least 1.", "max-model-len");
  if (r.max_num_seqs == 0) return refuse("--max-num-seqs must be at least 1.", "max-num-seqs");
  if (r.kv_cache_bytes && r.num_pages) {
    return refuse(
        "--kv-cache-memory-bytes and --num-gpu-blocks-override both size the KV cache; give one of "
        "them.",
        "--num-gpu-blocks-override");
  }
  if (!r.total_bytes && !r.kv_cache_bytes && !r.num_pages) {
    return refuse("Neither " + r.total_flag +
                      " nor --kv-cache-memory-bytes nor --num-gpu-blocks-override is given.",
                  r.total_flag);
  }
  return nothing{};
}

std::uint64_t fixed_bytes(const memory_request& r) {
  return add(add(r.weight_bytes, r.activation_bytes), r.margin_bytes);
}

std::string fixed_text(const memory_request& r) {
  return "weights (" + mib(r.weight_bytes) + "), activations (" + mib(r.activation_bytes) +
         ") and margin (" + mib(r.margin_bytes) + ")";
}

// The pages that were asked for, or those that the rest of the total holds.
outcome<std::uint64_t> count_pages(const memory_request& r) {
  if (r.num_pages) return *r.num_pages;
  if (r.kv_cache_bytes) return *r.kv_cache_bytes / r.kv_page_bytes;
  const std::uint64_t fixed = fixed_bytes(r);
  if (fixed <= *r.total_bytes) return (*r.total_bytes - fixed) / r.kv_page_bytes;
  const std::uint64_t needed = add(fixed, multiply(pages_for(r.max_model_len), r.kv_page_bytes));
  return refuse(r.total_flag + " is " + mib(*r.total_bytes) + ", but " + fixed_text(r) + " take " +
                    mib(fixed) + " before the first KV page; set " + r.total_flag +
                    " to at least " + whole_mib(needed) + " or lower --max-num-batched-tokens.",
                r.total_flag);
}

// One request of the full length must fit, or it would wait for ever.
failure refuse_few_pages(const memory_request& r, std::uint64_t pages) {
  const std::uint64_t wanted = pages_for(r.max_model_len);
  const std::uint64_t kv_bytes = multiply(wanted, r.kv_page_bytes);
  std::string remedy;
  std::string flag;
  if (r.num_pages) {
    flag = "--num-gpu-blocks-override";
    remedy = std::to_string(wanted);
  } else if (r.kv_cache_bytes) {
    flag = "--kv-cache-memory-bytes";
    remedy = whole_mib(kv_bytes);
  } else {
    flag = r.total_flag;
    remedy = whole_mib(add(fixed_bytes(r), kv_bytes));
  }
  std::string message = "The KV cache holds " + std::to_string(pages) + " pages of " +
                        std::to_string(page_size_tokens) + " tokens, but one request of " +
                        std::to_string(r.max_model_len) + " tokens (--max-model-len) needs " +
                        std::to_string(wanted) + "; set " + flag + " to at least " + remedy;
  if (pages > 0) {
    message += " or --max-model-len to at most " + std::to_string(pages * page_size_tokens);
  }
  return refuse(message + ".", flag);
}

}  // namespace

outcome<memory_plan> plan_memory(const memory_request& request) {
  if (auto checked = check_request(request); !checked) return std::move(checked).error();
  auto counted = count_pages(request);
  if (!counted) return std::move(counted).error();
  // A page index has 32 bits, and the page table's tokens fit 64 bits with room to spare.
  const std::uint64_t pages =
      std::min<std::uint64_t>(*counted, std::numeric_limits<std::uint32_t>::max());
  if (pages < pages_for(request.max_model_len)) return refuse_few_pages(request, pages);
  memory_plan plan;
  plan.request = request;
  plan.num_pages = static_cast<std::uint32_t>(pages);
  plan.kv_bytes = multiply(pages, request.kv_page_bytes);
  plan.planned_bytes = add(fixed_bytes(request), plan.kv_bytes);
  if (request.total_bytes && plan.planned_bytes > *request.total_bytes) {
    return refuse(fixed_text(request) + " and " + std::to_string(pages) + " KV pages (" +
                      mib(plan.kv_bytes) + ") take " + mib(plan.planned_bytes) + ", but " +
                      request.total_flag + " is " + mib(*request.total_bytes) +
                      "; raise it or make the KV cache smaller.",
                  request.total_flag);
  }
  plan.longest_request_tokens = request.max_model_len;
  plan.cached_tokens = pages * page_size_tokens;
  plan.typical_request_tokens = std::min(typical_tokens, request.max_model_len);
  plan.concurrent_requests = static_cast<std::uint32_t>(std::min<std::uint64_t>(
      pages / pages_for(plan.typical_request_tokens), request.max_num_seqs));
  return plan;
}

std::string to_text(const memory_plan& plan) {
  const memory_request& r = plan.request;
  std::string out;
  const auto line = [&](const char* sign, std::uint64_t bytes, const std::string& comment) {
    std::array<char, 64> number{};
    const double value = static_cast<double>(bytes) / static_cast<double>(bytes_per_mib);
    std::snprintf(number.data(), number.size(), "%s %12.1f MiB  ", sign, value);
    out += number.data() + comment + "\n";
  };
  line(" ", r.weight_bytes, "weights");
  line("+", r.activation_bytes,
       "activations of one step of " + std::to_string(r.max_num_batched_tokens) +
           " rows (--max-num-batched-tokens)");
  line("+", r.margin_bytes, "margin");
  line("+", plan.kv_bytes,
       "KV cache: " + std::to_string(plan.num_pages) + " pages of " +
           std::to_string(page_size_tokens) + " tokens, " + std::to_string(r.kv_page_bytes) +
           " bytes each" + (r.kv_dtype.empty() ? "" : ", " + r.kv_dtype));
  line("=", plan.planned_bytes,
       r.total_bytes ? "of " + mib(*r.total_bytes) + " (" + r.total_flag + "); " +
                           mib(*r.total_bytes - plan.planned_bytes) + " stay free"
                     : "in all");
  const std::uint64_t held = plan.num_pages / pages_for(plan.typical_request_tokens);
  out += "Tokens that the KV cache holds: " + std::to_string(plan.cached_tokens) + "\n";
  out += "Longest single request: " + std::to_string(plan.longest_request_tokens) +
         " tokens (--max-model-len)\n";
  out += "Most concurrent requests of " + std::to_string(plan.typical_request_tokens) +
         " tokens: " + std::to_string(plan.concurrent_requests) + " (the pages hold " +
         std::to_string(held) + ", --max-num-seqs allows " + std::to_string(r.max_num_seqs) + ")\n";
  return out;
}

}  // namespace troupe
