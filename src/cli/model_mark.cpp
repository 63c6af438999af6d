#include "cli/model_mark.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace troupe {
namespace {

constexpr std::uint64_t whole_bytes = 16U << 20;
constexpr std::uint64_t end_bytes = 1U << 20;

// FNV-1a: tells models apart, and keeps nobody out; TLS and the secret do that.
class digest {
 public:
  void add(std::string_view bytes) {
    for (unsigned char byte : bytes) sum_ = (sum_ ^ byte) * 0x100000001b3U;
  }
  std::string to_hex() const {
    std::ostringstream out;
    out << std::hex << sum_;
    return out.str();
  }

 private:
  std::uint64_t sum_ = 0xcbf29ce484222325U;
};

bool add_part(digest& sum, std::ifstream& file, std::uint64_t from, std::uint64_t count) {
  std::string bytes(count, '\0');
  file.seekg(static_cast<std::streamoff>(from));
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  sum.add(bytes);
  return file.good();
}

bool add_file(digest& sum, const std::filesystem::path& path) {
  auto size = std::filesystem::file_size(path);
  std::ifstream file(path, std::ios::binary);
  sum.add(path.filename().string() + ":" + std::to_string(size) + "\n");
  if (size <= whole_bytes) return add_part(sum, file, 0, size);
  return add_part(sum, file, 0, end_bytes) && add_part(sum, file, size - end_bytes, end_bytes);
}

bool matters(const std::filesystem::path& path, const serve_options& options) {
  if (path.extension() == ".safetensors") return options.format == load_format::files;
  return path.extension() == ".json";
}

outcome<std::string> hash_files(const serve_options& options) {
  digest sum;
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto& entry : std::filesystem::directory_iterator(options.model_dir, error))
    if (entry.is_regular_file() && matters(entry.path(), options)) files.push_back(entry.path());
  std::ranges::sort(files);
  for (auto& path : files)
    if (!add_file(sum, path))
      return failure{error_code::io_error, "cannot be read: " + path.string(), "model"};
  return sum.to_hex();
}

}  // namespace

outcome<std::string> make_model_mark(const planned_model& plan, const serve_options& options) {
  auto files = hash_files(options);
  if (!files) return files.error();
  std::string mark = "files " + *files + ", " + name_of_weights(plan) + " weights, context " +
                     std::to_string(plan.limits.max_model_len) + ", keys and values " +
                     plan.memory.request.kv_dtype + ", on " + plan.device + ", ranks " +
                     std::to_string(options.tensor_parallel_size);
  if (options.format == load_format::dummy) mark += ", dummy seed " + std::to_string(options.seed);
  if (plan.limits.plain_rope_window > 0) mark += ", YaRN per request";
  return mark;
}

outcome<group_terms> make_group_terms(const planned_model& plan, const serve_options& options) {
  auto files = hash_files(options);
  if (!files) return files.error();
  auto& runner = plan.runner;
  group_terms out{{"files", *files},
                  {"weights", name_of_weights(plan)},
                  {"keys and values", plan.memory.request.kv_dtype},
                  {"device", plan.device},
                  {"--max-model-len", std::to_string(plan.limits.max_model_len)},
                  {"--max-num-seqs", std::to_string(runner.max_num_seqs)},
                  {"--max-num-batched-tokens", std::to_string(runner.max_num_batched_tokens)},
                  {"rows with logits", std::to_string(runner.max_num_logit_rows)},
                  {"--tensor-parallel-size", std::to_string(runner.tp_size)},
                  {"--nnodes", std::to_string(options.num_nodes)},
                  {"--deterministic", options.deterministic ? "yes" : "no"}};
  if (options.format == load_format::dummy) out["dummy seed"] = std::to_string(options.seed);
  return out;
}

}  // namespace troupe
