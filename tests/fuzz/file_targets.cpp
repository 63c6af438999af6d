// What a model directory holds: whoever downloads one has not read it.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../text/small_model.hpp"
#include "model/model_config.hpp"
#include "model/safetensors.hpp"
#include "targets.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace troupe::test {
namespace {

namespace fs = std::filesystem;

// In memory where that can be: a fuzzer writes a file for every input.
class folder {
 public:
  explicit folder(const char* what) {
    const fs::path memory = "/dev/shm";
    auto base = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
    path_ = base / ("troupe_fuzz_" + std::to_string(::getpid()) + what);
    fs::create_directories(path_);
  }
  ~folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  const fs::path& path() const { return path_; }
  void write(const char* name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  fs::path path_;
};

// By dividing: a product may overflow to anything.
bool has_its_bytes(const host_tensor& tensor) {
  std::uint64_t left = tensor.bytes.size() / size_bytes(tensor.type);
  if (left * size_bytes(tensor.type) != tensor.bytes.size()) return false;
  if (std::ranges::count(tensor.shape, 0) > 0) return left == 0;
  for (auto size : tensor.shape) {
    if (left % static_cast<std::uint64_t>(size) != 0) return false;
    left /= static_cast<std::uint64_t>(size);
  }
  return left == 1;
}

// Tensors lie within the file, one after the other, and have the bytes of their shapes.
void run_safetensors(std::string_view input) {
  auto file = std::as_bytes(std::span(input));
  auto tensors = parse_safetensors(file, "f.safetensors");
  if (!is_taken(tensors, input)) return;
  std::uint64_t num_bytes = 0;
  for (auto& [name, tensor] : *tensors) {
    if (!has_its_bytes(tensor)) fail("a tensor has not the bytes of its shape", name);
    if (tensor.bytes.empty()) continue;
    bool is_inside = tensor.bytes.data() >= file.data() &&
                     tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size();
    if (!is_inside) fail("a tensor lies outside of its file", name);
    num_bytes += tensor.bytes.size();
  }
  if (num_bytes > file.size()) fail("tensors overlap", input);
}

// Of a directory with one shard.
void run_shard_index(std::string_view input) {
  static const folder place("index");
  static const bool has_shard = [] {
    const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(header.size());
    place.write("one.safetensors", bytes + header + std::string(4, '\0'));
    return true;
  }();
  if (!has_shard) return;
  place.write("model.safetensors.index.json", input);
  auto opened = open_checkpoint(place.path());
  if (is_taken(opened, input) && opened->tensors.size() != 1) fail("a tensor from nowhere", input);
}

// A shape that is taken can be computed with: its weights and its context are finite.
void run_config(std::string_view input) {
  static const folder place("config");
  place.write("config.json", input);
  auto config = read_model_config(place.path());
  if (!is_taken(config, input)) return;
  bool is_fit = config->hidden_size > 0 && config->num_key_value_heads > 0 &&
                config->num_attention_heads % config->num_key_value_heads == 0 &&
                config->head_dim > 0 && config->head_dim % 2 == 0 && config->vocab_size > 0 &&
                config->max_context() > 0;
  if (!is_fit) fail("a shape that cannot be", input);
}

void run_generation_config(std::string_view input) {
  static const folder place("generation");
  static const bool has_config = (place.write("config.json", R"({"eos_token_id": 1})"), true);
  if (!has_config) return;
  place.write("generation_config.json", input);
  auto defaults = read_generation_defaults(place.path());
  if (!is_taken(defaults, input)) return;
  if (defaults->temperature && !(*defaults->temperature >= 0)) fail("no temperature", input);
}

void check_words(const tokenizer& words, std::string_view input) {
  // Added tokens may stand for any text, so the way back is told only where they are none.
  auto ids = words.encode("ab abc 12 \u00e9\n", added_tokens_in_text::plain);
  for (auto id : ids)
    if (id < 0 || id >= static_cast<token_id>(words.vocab_size())) fail("no such token", input);
  if (words.decode(ids, false) != "ab abc 12 \u00e9\n") fail("a text changes", input);
  (void)words.encode(input.substr(0, 200));
}

void run_tokenizer(std::string_view input) {
  static const folder place("tokenizer");
  place.write("tokenizer.json", input);
  auto words = tokenizer::load(place.path());
  if (is_taken(words, input)) check_words(*words, input);
}

// The template, and the added tokens that only tokenizer_config.json names.
void run_tokenizer_config(std::string_view input) {
  static const folder place("template");
  static const bool has_words = [] {
    std::string words;
    append_json(words, small_model{}.tokenizer_json());
    place.write("tokenizer.json", words);
    return true;
  }();
  if (!has_words) return;
  place.write("tokenizer_config.json", input);
  (void)is_taken(chat_template::load(place.path()), input);
  auto words = tokenizer::load(place.path());
  if (is_taken(words, input)) check_words(*words, input);
}

void run_template(std::string_view input) {
  (void)is_taken(chat_template::recognise(input), input);
}

}  // namespace

std::span<const fuzz_target> file_targets() {
  static constexpr std::array table{
      fuzz_target{"safetensors", &run_safetensors},
      fuzz_target{"shard_index", &run_shard_index},
      fuzz_target{"config", &run_config},
      fuzz_target{"generation_config", &run_generation_config},
      fuzz_target{"tokenizer", &run_tokenizer},
      fuzz_target{"tokenizer_config", &run_tokenizer_config},
      fuzz_target{"template", &run_template},
  };
  return table;
}

}  // namespace troupe::test
