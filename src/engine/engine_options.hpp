// What an engine is asked for, with its defaults. `troupe serve` has a flag for every member; hosts
// fill it in themselves.
#pragma once
#include "core/outcome.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace troupe {

enum class load_format : std::uint8_t { files, dummy };
// automatic: a GPU where one can be used, else the CPU. null and sim compute nothing, their answers
// are drawn tokens: null at once, sim in the time that a GPU would take.
enum class device_kind : std::uint8_t { cpu, cuda, automatic, null, sim };
// How weights are held. automatic: as the checkpoint is.
enum class quantization : std::uint8_t { automatic, none, int8, int4 };
// Of keys and values; automatic: as `dtype`. int8 is the CPU's, fp8 the GPUs'.
enum class kv_cache_dtype : std::uint8_t { automatic, bf16, int8, fp8 };
// How GPUs attend for prompts: wgmma is for compute capability 9.0 alone, and for KV pages of
// bfloat16 (others have mma).
enum class prefill_attention_kernel : std::uint8_t { mma, wgmma };
// How sums of ranks cross between GPUs: by NCCL, or where GPUs reach each other's memory by kernels
// of our own for all but the longest.
enum class all_reduce_way : std::uint8_t { nccl, peer };
enum class yarn_mode : std::uint8_t { always, per_request };

struct engine_options {
  std::filesystem::path model_dir;
  std::string served_model_name;  // empty: the directory's name
  std::string dtype = "auto";     // auto: as the weights were published; float16 runs as bfloat16
  quantization weights = quantization::automatic;
  load_format format = load_format::files;
  std::uint64_t seed = 0;  // of dummy weights, and of the seeds drawn for requests without one
  yarn_mode yarn = yarn_mode::always;

  device_kind device = device_kind::cpu;
  bool deterministic = false;  // on GPUs; the CPU always is
  prefill_attention_kernel prefill_attention = prefill_attention_kernel::mma;
  all_reduce_way all_reduce = all_reduce_way::nccl;
  std::string sim_gpu = "rtx4090";             // rtx4090, rtx4090d, a100, h100, h200
  std::string sim_link = "auto";               // auto: the GPU's own
  std::chrono::milliseconds sim_load_time{0};  // what loading the weights would take

  std::uint32_t max_model_len = 0;  // tokens; 0: what the model can do
  std::uint32_t max_num_seqs = 64;
  std::uint32_t max_num_batched_tokens = 512;
  bool enable_prefix_caching = true;
  std::optional<std::uint32_t> num_speculative_tokens;  // none: what suits the device
  std::uint32_t prompt_lookup_min = 2;
  std::uint32_t prompt_lookup_max = 5;
  std::uint32_t max_speculative_rows = 8;
  std::uint32_t tensor_parallel_size = 1;
  std::uint32_t threads = 0;  // of each rank; 0: the cores divided by the ranks
  // Of the memory that is available at the start; none: what suits the device.
  std::optional<double> memory_utilization;
  // What the process may hold; none: what its control group or the machine allows.
  std::optional<std::uint64_t> memory_limit;
  kv_cache_dtype kv_dtype = kv_cache_dtype::automatic;
  // The KV cache itself, in bytes or in pages of 16 tokens; at most one of the two.
  std::optional<std::uint64_t> kv_cache_bytes;
  std::optional<std::uint64_t> num_kv_pages;

  std::uint32_t max_queued_requests = 1024;
  std::uint64_t max_queued_tokens = 1U << 20;
  std::uint64_t grammar_cache_bytes = 256U << 20;
  std::chrono::milliseconds queue_timeout{60'000};
  std::chrono::milliseconds request_timeout{600'000};
  std::chrono::milliseconds executor_timeout{60'000};
  std::chrono::milliseconds stall_timeout{10'000};
};

// Refuses numbers that no engine runs with; `field` is the member's name. What depends on the model
// is refused when it is planned.
refusal check_options(const engine_options& options);

// A refusal that speaks of flags (--max-model-len), in the words of whoever has only members.
failure name_members(failure why);

}  // namespace troupe
