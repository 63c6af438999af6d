#include "cli/quantize.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <new>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/loading_guard.hpp"
#include "cpu/thread_pool.hpp"
#include "cpu/weight_rounding.hpp"
#include "engine/machine.hpp"
#include "model/convert.hpp"
#include "model/integer_packing.hpp"
#include "model/safetensors_writer.hpp"
#include "model/weight_table.hpp"
#include "text/file.hpp"
#include "text/json.hpp"

namespace troupe {
namespace {

namespace fs = std::filesystem;

failure refuse(std::string message, const fs::path& about) {
  return {error_code::invalid_argument, std::move(message), about.string(), {}};
}

published_format format_of(rounding_method method) {
  if (method == rounding_method::int4) return {.layout = integer_layout::awq, .bits = 4};
  return {.layout = integer_layout::gptq, .bits = 8, .added_to_zeros = 1};
}

// The config's value, as the tools that made these layouts write it.
json_object describe_format(const published_format& format) {
  json_object out{{"quant_method", std::string(to_string(format.layout))},
                  {"bits", std::int64_t{format.bits}},
                  {"group_size", std::int64_t{format.group_size}}};
  if (format.layout == integer_layout::awq) {
    out.emplace_back("version", std::string("gemm"));
    out.emplace_back("zero_point", true);
    out.emplace_back("modules_to_not_convert", nullptr);
  } else {
    out.emplace_back("checkpoint_format", std::string("gptq"));
    out.emplace_back("desc_act", false);
    out.emplace_back("static_groups", false);
    out.emplace_back("sym", true);
    out.emplace_back("true_sequential", true);
    out.emplace_back("damp_percent", 0.01);
  }
  return out;
}

struct checkpoint_source {
  model_config config;
  model_weights weights;
  std::vector<weight_entry> entries;  // into weights
};

outcome<std::unique_ptr<checkpoint_source>> open_source(const fs::path& model_dir,
                                                        const published_format& format) {
  auto config = read_model_config(model_dir);
  if (!config) return config.error();
  if (config->published) {
    return refuse(model_dir.string() + " is quantised already (" +
                      std::string(to_string(config->published->layout)) + ", " +
                      std::to_string(config->published->bits) + " bits); floats were expected",
                  model_dir);
  }
  auto weights = load_weights(model_dir, *config);
  if (!weights) return weights.error();
  auto source = std::make_unique<checkpoint_source>();
  source->config = *std::move(config);
  source->weights = *std::move(weights);
  source->entries = list_weights(source->config, source->weights);
  for (const weight_entry& entry : source->entries) {
    if (!is_layer_weight(entry) || fits_words(format, entry.shape[0], entry.shape[1])) continue;
    return refuse("tensor " + entry.name + " has " + std::to_string(entry.shape[0]) +
                      " outputs and " + std::to_string(entry.shape[1]) + " inputs; multiples of " +
                      std::to_string(format.per_word()) + " were expected",
                  model_dir);
  }
  return source;
}

// The tensors that stand for one entry, in the order in which their bytes are written.
std::vector<tensor_entry> tensors_of(const weight_entry& entry, const published_format& format) {
  if (!is_layer_weight(entry)) return {{entry.name, entry.target->type, entry.shape}};
  const std::string prefix = entry.name.substr(0, entry.name.rfind("weight"));
  const std::int64_t rows = entry.shape[0];
  const std::int64_t cols = entry.shape[1];
  const std::int64_t per_word = format.per_word();
  const std::int64_t groups = num_groups(static_cast<std::uint32_t>(cols));
  const tensor_entry zeros{prefix + "qzeros", dtype::int32, {groups, rows / per_word}};
  const tensor_entry scales{prefix + "scales", dtype::float16, {groups, rows}};
  if (format.layout == integer_layout::awq) {
    return {{prefix + "qweight", dtype::int32, {cols, rows / per_word}}, zeros, scales};
  }
  return {{prefix + "qweight", dtype::int32, {cols / per_word, rows}},
          zeros,
          scales,
          {prefix + "g_idx", dtype::int32, {cols}}};
}

// Rounds one weight, its rows shared out among the threads.
outcome<integer_matrix> round_weight(const weight_entry& entry, std::uint32_t bits,
                                     thread_pool& pool) {
  integer_matrix out(static_cast<std::uint32_t>(entry.shape[0]),
                     static_cast<std::uint32_t>(entry.shape[1]));
  std::vector<std::vector<float>> floats(pool.num_threads());
  std::vector<integer_row> rows(pool.num_threads());
  for (auto& row : floats) row.resize(out.num_cols);
  std::atomic<bool> is_finite{true};
  pool.parallel_for(out.num_rows, [&](std::uint32_t row, std::uint32_t thread_idx) {
    std::vector<float>& values = floats[thread_idx];
    copy_elements(*entry.target, std::uint64_t{row} * out.num_cols, values);
    if (!std::ranges::all_of(values, [](float x) { return std::isfinite(x); })) is_finite = false;
    kernels::round_to_integers(values, bits, rows[thread_idx]);
    out.set_row(row, rows[thread_idx]);
  });
  if (is_finite) return out;
  return refuse("tensor " + entry.name + " holds a number that is not finite", entry.name);
}

template <class T>
refusal write_all(file_writer& file, const std::vector<T>& values) {
  return file.write(std::as_bytes(std::span(values)));
}

refusal write_integers(file_writer& file, const weight_entry& entry, const published_format& format,
                       thread_pool& pool) {
  auto rounded = round_weight(entry, format.bits, pool);
  if (!rounded) return rounded.error();
  const packed_integers packed = pack_integers(format, *rounded);
  if (auto done = write_all(file, packed.qweight); !done) return done;
  if (auto done = write_all(file, packed.qzeros); !done) return done;
  if (auto done = write_all(file, packed.scales); !done) return done;
  return write_all(file, packed.group_index);
}

outcome<std::uint64_t> write_weights(const checkpoint_source& source, const fs::path& path,
                                     const published_format& format, std::uint32_t num_threads) {
  std::vector<tensor_entry> tensors;
  for (const weight_entry& entry : source.entries) {
    for (tensor_entry& tensor : tensors_of(entry, format)) tensors.push_back(std::move(tensor));
  }
  const std::string header = make_safetensors_header(tensors);
  std::uint64_t total = header.size();
  for (const tensor_entry& tensor : tensors) total += tensor.size_in_bytes();
  auto file = file_writer::create(path);
  if (!file) return file.error();
  if (auto done = file->write(std::as_bytes(std::span(header))); !done) return done.error();
  thread_pool pool({num_threads, 0});
  for (const weight_entry& entry : source.entries) {
    auto done = is_layer_weight(entry) ? write_integers(*file, entry, format, pool)
                                       : file->write(entry.target->bytes);
    if (!done) return done.error();
  }
  if (auto done = file->finish(); !done) return done.error();
  return total;
}

refusal write_text(const fs::path& path, std::string_view text) {
  auto file = file_writer::create(path);
  if (!file) return file.error();
  if (auto done = file->write(std::as_bytes(std::span(text))); !done) return done;
  return file->finish();
}

refusal write_config(const quantize_options& options, const published_format& format) {
  auto config = read_json_file(options.model_dir / "config.json");
  if (!config) return config.error();
  json_object members = *config->as_object();
  std::erase_if(members, [](const json_member& m) { return m.first == "quantization_config"; });
  members.emplace_back("quantization_config", describe_format(format));
  std::string text;
  append_json(text, std::move(members));
  return write_text(options.out_dir / "config.json", text + "\n");
}

// What a model directory has beside its weights and its config.
refusal copy_companions(const quantize_options& options) {
  for (const char* name :
       {"generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
        "merges.txt", "added_tokens.json", "special_tokens_map.json", "chat_template.jinja",
        "chat_template.json", "LICENSE"}) {
    auto text = read_file(options.model_dir / name);
    if (!text && text.error().code == error_code::not_found) continue;
    if (!text) return text.error();
    if (auto done = write_text(options.out_dir / name, *text); !done) return done;
  }
  return nothing{};
}

// config.json comes last: a directory without it is no model, whatever interrupts us.
outcome<std::uint64_t> fill_directory(const quantize_options& options,
                                      const checkpoint_source& source,
                                      const published_format& format) {
  const std::uint32_t cores = count_cores();
  auto bytes = write_weights(source, options.out_dir / "model.safetensors", format,
                             options.num_threads > 0 ? options.num_threads : cores);
  if (!bytes) return bytes.error();
  if (auto done = copy_companions(options); !done) return done.error();
  if (auto done = write_config(options, format); !done) return done.error();
  return bytes;
}

outcome<std::uint64_t> quantize(const quantize_options& options) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(options.out_dir, error))) {
    return refuse(options.out_dir.string() +
                      " exists already; the name of a new directory was "
                      "expected",
                  options.out_dir);
  }
  const published_format format = format_of(options.method);
  auto source = open_source(options.model_dir, format);
  if (!source) return source.error();
  if (!fs::create_directory(options.out_dir, error)) {
    return failure{error_code::io_error,
                   options.out_dir.string() + " cannot be made: " + error.message(),
                   options.out_dir.string()};
  }
  auto bytes = fill_directory(options, **source, format);
  if (!bytes) fs::remove_all(options.out_dir, error);
  return bytes;
}

}  // namespace

int run_quantize(const quantize_options& options, std::ostream& out, std::ostream& err) {
  loading_guard guard(options.model_dir);
  try {
    auto bytes = quantize(options);
    if (bytes) {
      out << options.out_dir.string() << ": "
          << (options.method == rounding_method::int4 ? "int4 as AWQ" : "int8 as GPTQ")
          << ", groups of 128, " << (*bytes >> 20U) << " MiB of weights\n";
      return 0;
    }
    err << "troupe: " << bytes.error().message << '\n';
  } catch (const std::bad_alloc&) {
    err << "troupe: the memory does not hold one weight of the model\n";
  }
  return 1;
}

}  // namespace troupe
