// gpu_engine MODE [--shape NAME] [--out FILE] [--ranks N] [--deterministic] [--fp8-kv]
// [--int8-weights] [--wgmma-prefill]
#include "gpu/engine.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <stdexcept>

#include "cuda/cuda_runner.hpp"
#include "cuda/gemm.hpp"
#include "half_billion.hpp"

namespace troupe::bench {
namespace {

constexpr int num_warm_ups = 3;
constexpr int num_samples = 15;

model_config small_shape() {
  model_config config;
  config.hidden_size = 128;
  config.intermediate_size = 256;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 64;
  config.vocab_size = 512;
  config.max_position_embeddings = 4096;
  return config;
}

model_config seven_billion() {
  model_config config;
  config.hidden_size = 3584;
  config.intermediate_size = 18944;
  config.num_hidden_layers = 28;
  config.num_attention_heads = 28;
  config.num_key_value_heads = 4;
  config.head_dim = 128;
  config.vocab_size = 152'064;
  config.max_position_embeddings = 131'072;
  return config;
}

engine_options read_arguments(int argc, char** argv) {
  engine_options out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = [&] {
      if (i + 1 == argc) throw std::invalid_argument(std::string(word) + " needs a value");
      return std::string(argv[++i]);
    };
    if (word == "--shape") {
      out.shape = value();
    } else if (word == "--out") {
      out.out_file = value();
    } else if (word == "--ranks") {
      out.tp_size = static_cast<std::uint32_t>(std::stoul(value()));
    } else if (word == "--deterministic") {
      out.deterministic = true;
    } else if (word == "--int8-weights") {
      out.has_byte_weights = true;
    } else if (word == "--wgmma-prefill") {
      out.has_wgmma_prefill = true;
    } else if (word == "--fp8-kv") {
      out.has_byte_pages = true;
    } else if (out.mode.empty()) {
      out.mode = word;
    } else {
      throw std::invalid_argument("unknown argument " + std::string(word));
    }
  }
  return out;
}

void print_machine() {
  auto gpus = list_gpus(1);
  if (!gpus) throw std::runtime_error(gpus.error().message);
  const gpu_info& gpu = gpus->front();
  int runtime = 0;
  int driver = 0;
  cuda::check_cuda(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  cuda::check_cuda(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  print_row({"machine", gpu.name, "sm_" + std::to_string(gpu.compute_capability),
             std::to_string(gpu.total_bytes >> 20U) + " MiB", "CUDA " + std::to_string(runtime),
             "driver " + std::to_string(driver),
             "cuBLASLt " + std::to_string(cuda::load_cublas().get_version())});
}

void run(const engine_options& options) {
  if (options.mode == "machine") return print_machine();
  if (options.mode == "ceilings") return measure_ceilings(options);
  if (options.mode == "kernels") return measure_kernels(options);
  if (options.mode == "steps") return measure_steps(options);
  if (options.mode == "attention") return check_attention();
  if (options.mode == "float64") return check_against_float64(options);
  if (options.mode == "invariance") return check_invariance(options);
  if (options.mode == "logits") return write_logits(options);
  throw std::invalid_argument(
      "usage: gpu_engine machine|ceilings|kernels|steps|attention|float64|invariance|logits "
      "[--shape 7b|0.5b|tiny] [--out FILE] [--ranks N] [--deterministic] [--fp8-kv] "
      "[--int8-weights] [--wgmma-prefill]");
}

}  // namespace

model_config shape_named(std::string_view name) {
  if (name == "7b") return seven_billion();
  if (name == "0.5b") return half_billion();
  if (name == "tiny") return small_shape();
  if (name == "tiny128") {
    model_config config = small_shape();
    config.num_attention_heads = 7;
    config.num_key_value_heads = 1;
    config.head_dim = 128;
    return config;
  }
  throw std::invalid_argument("no shape is called " + std::string(name));
}

double time_on(cudaStream_t stream, const std::function<void(int)>& work) {
  const auto start = cuda::make_event(cuda::event_timing::measured);
  const auto end = cuda::make_event(cuda::event_timing::measured);
  std::array<double, num_samples> samples{};
  int call = 0;
  for (int i = 0; i < num_warm_ups; ++i) work(call++);
  for (double& sample : samples) {
    cuda::record(start, stream);
    work(call++);
    cuda::record(end, stream);
    cuda::synchronize(stream);
    sample = 1000.0 * cuda::milliseconds_between(start, end);
  }
  std::ranges::nth_element(samples, samples.begin() + num_samples / 2);
  return samples[num_samples / 2];
}

void print_row(const std::vector<std::string>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) std::cout << (i ? "\t" : "") << fields[i];
  std::cout << std::endl;  // whoever ends us early keeps what was measured
}

std::string number(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

}  // namespace troupe::bench

int main(int argc, char** argv) {
  try {
    troupe::bench::run(troupe::bench::read_arguments(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "gpu_engine: " << error.what() << '\n';
    return 1;
  }
}
