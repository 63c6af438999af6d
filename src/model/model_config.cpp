#include "model/model_config.hpp"

#include "model/key_reader.hpp"
#include "model/quantization_config.hpp"
#include "text/file.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace troupe {
namespace {

// Far above any published model, and low enough that no product of sizes leaves 64 bits.
constexpr std::uint32_t max_hidden_size = 1U << 17;
constexpr std::uint32_t max_intermediate_size = 1U << 20;
constexpr std::uint32_t max_layers = 1024;
constexpr std::uint32_t max_heads = 1024;
constexpr std::uint32_t max_head_dim = 1024;
constexpr std::uint32_t max_vocab_size = 1U << 22;
constexpr std::uint32_t max_positions = 1U << 24;
constexpr std::uint64_t max_config_bytes = 1U << 20;

void check_architecture(key_reader& in) {
  const json_value* names = in.find("architectures");
  const auto model_type = in.string("model_type");
  if (names == nullptr && !model_type) {
    in.refuse("model_type", "is missing; \"qwen2\" was expected.", error_code::unsupported);
  }
  if (model_type && *model_type != "qwen2") {
    in.refuse("model_type", "is \"" + *model_type + "\"; only \"qwen2\" is served.",
              error_code::unsupported);
  }
  if (names == nullptr) return;
  const json_array* list = names->as_array();
  if (list == nullptr || list->size() != 1 || list->front().as_string() == nullptr) {
    in.refuse("architectures", "is not a list of one name; [\"Qwen2ForCausalLM\"] was expected.");
  } else if (*list->front().as_string() != "Qwen2ForCausalLM") {
    in.refuse("architectures",
              "names " + describe(list->front()) + "; only \"Qwen2ForCausalLM\" is served.",
              error_code::unsupported);
  }
}

void check_features(key_reader& in) {
  if (const auto act = in.string("hidden_act"); act && *act != "silu") {
    in.refuse("hidden_act", "is \"" + *act + "\"; only \"silu\" is served.",
              error_code::unsupported);
  }
  if (const auto part = in.number("partial_rotary_factor", 0, 1); part && *part != 1) {
    in.refuse("partial_rotary_factor", "is below 1; only whole heads are rotated.",
              error_code::unsupported);
  }
}

void read_shape(key_reader& in, model_config& config) {
  config.hidden_size = in.required_integer("hidden_size", 1, max_hidden_size);
  config.intermediate_size = in.required_integer("intermediate_size", 1, max_intermediate_size);
  config.num_hidden_layers = in.required_integer("num_hidden_layers", 1, max_layers);
  config.num_attention_heads = in.required_integer("num_attention_heads", 1, max_heads);
  config.vocab_size = in.required_integer("vocab_size", 1, max_vocab_size);
  config.max_position_embeddings = in.required_integer("max_position_embeddings", 1, max_positions);
  if (in.problem()) return;
  const std::uint32_t heads = config.num_attention_heads;
  config.num_key_value_heads = in.integer("num_key_value_heads", 1, max_heads).value_or(heads);
  if (heads % config.num_key_value_heads != 0) {
    in.refuse("num_key_value_heads", "is " + std::to_string(config.num_key_value_heads) +
                                         "; a divisor of num_attention_heads " +
                                         std::to_string(heads) + " was expected.");
  }
  if (const auto head_dim = in.integer("head_dim", 2, max_head_dim)) {
    config.head_dim = *head_dim;
  } else if (config.hidden_size % heads != 0) {
    in.refuse("hidden_size", "is " + std::to_string(config.hidden_size) +
                                 "; a multiple of num_attention_heads " + std::to_string(heads) +
                                 " was expected where head_dim is absent.");
  } else {
    config.head_dim = config.hidden_size / heads;
  }
  if (config.head_dim % 2 != 0 || config.head_dim > max_head_dim) {
    in.refuse("head_dim", "is " + std::to_string(config.head_dim) + "; an even number up to " +
                              std::to_string(max_head_dim) + " was expected.");
  }
}

void read_numbers(key_reader& in, model_config& config) {
  config.rms_norm_eps = static_cast<float>(in.number("rms_norm_eps", 1e-12, 0.1).value_or(1e-6));
  config.tie_word_embeddings = in.boolean("tie_word_embeddings").value_or(false);
  const char* key = in.find("dtype") != nullptr ? "dtype" : "torch_dtype";
  const auto name = in.string(key);
  if (!name) return;
  for (dtype t : {dtype::float32, dtype::bfloat16, dtype::float16}) {
    if (*name == to_string(t)) {
      config.type = t;
      return;
    }
  }
  in.refuse(key, "is \"" + *name + "\"; float32, bfloat16 or float16 was expected.",
            error_code::unsupported);
}

// The ratio of DeepSeek's two magnitude scales, which Hugging Face takes for any model that names
// both; a zero counts as absent.
std::optional<double> magnitude_ratio(key_reader& in, double factor) {
  const double mscale = in.number("mscale", 0, 1e3).value_or(0);
  const double all_dim = in.number("mscale_all_dim", 0, 1e3).value_or(0);
  if (!(mscale > 0 && all_dim > 0)) return std::nullopt;
  if (factor <= 1) return 1.0;
  return (0.1 * mscale * std::log(factor) + 1) / (0.1 * all_dim * std::log(factor) + 1);
}

// Zero asks for the default, as in Hugging Face ("or 32").
double beta(key_reader& in, const char* key, double otherwise) {
  const double value = in.number(key, 0, 1e6).value_or(0);
  return value > 0 ? value : otherwise;
}

yarn_scaling read_yarn(key_reader& in, std::optional<std::uint32_t> outer_original,
                       std::uint32_t max_position_embeddings) {
  yarn_scaling yarn;
  const auto inner_original = in.integer("original_max_position_embeddings", 1, max_positions);
  yarn.original_max_position_embeddings =
      outer_original.value_or(inner_original.value_or(max_position_embeddings));
  const double window = yarn.original_max_position_embeddings;
  yarn.factor = in.number("factor", 1, 1e4).value_or(max_position_embeddings / window);
  if (!(yarn.factor >= 1)) {
    in.refuse("factor", "is missing and max_position_embeddings is below the original window.");
  }
  if (!(yarn.factor * window <= max_positions)) {
    in.refuse("factor", "times original_max_position_embeddings is above " +
                            std::to_string(max_positions) + " positions.");
  }
  yarn.attention_factor = in.number("attention_factor", 1e-6, 1e6);
  const auto ratio = magnitude_ratio(in, yarn.factor);
  if (!yarn.attention_factor) yarn.attention_factor = ratio;
  yarn.beta_fast = beta(in, "beta_fast", 32);
  yarn.beta_slow = beta(in, "beta_slow", 1);
  if (yarn.beta_fast < yarn.beta_slow) in.refuse("beta_fast", "is below beta_slow.");
  yarn.truncate = in.boolean("truncate").value_or(true);
  return yarn;
}

// Hugging Face lets rope_scaling win over rope_parameters, and a theta or an original window inside
// over one outside; only original_max_position_embeddings outside wins over the one inside.
void read_rope(key_reader& in, model_config& config) {
  constexpr double min_theta = 1.001;
  constexpr double max_theta = 1e15;
  config.rope_theta = in.number("rope_theta", min_theta, max_theta).value_or(10'000.0);
  const auto outer_original = in.integer("original_max_position_embeddings", 1, max_positions);
  const char* key = in.find("rope_scaling") != nullptr ? "rope_scaling" : "rope_parameters";
  const json_value* object = in.find(key);
  if (object == nullptr) return;
  if (const json_value* nested = object->find("full_attention")) object = nested;
  if (object->as_object() == nullptr) {
    return in.refuse(key, "is " + describe(*object) + "; an object or null was expected.");
  }
  key_reader inner(*object, in.where() + ": " + key);
  config.rope_theta = inner.number("rope_theta", min_theta, max_theta).value_or(config.rope_theta);
  if (const auto part = inner.number("partial_rotary_factor", 0, 1); part && *part != 1) {
    inner.refuse("partial_rotary_factor", "is below 1; only whole heads are rotated.",
                 error_code::unsupported);
  }
  const char* type_key = inner.find("rope_type") != nullptr ? "rope_type" : "type";
  const std::string type = inner.string(type_key).value_or("default");
  if (type == "yarn") {
    config.yarn = read_yarn(inner, outer_original, config.max_position_embeddings);
  } else if (type != "default") {
    inner.refuse(type_key, "is \"" + type + "\"; only \"default\" and \"yarn\" are served.",
                 error_code::unsupported);
  }
  in.take_problem(inner);
}

bool has_sliding_layer(key_reader& in, const model_config& config) {
  const json_value* types = in.find("layer_types");
  if (types == nullptr) {
    constexpr std::uint32_t default_max_window_layers = 28;
    const auto first = in.integer("max_window_layers", 0, max_layers);
    return first.value_or(default_max_window_layers) < config.num_hidden_layers;
  }
  const json_array* list = types->as_array();
  if (list == nullptr) {
    in.refuse("layer_types", "is " + describe(*types) + "; a list was expected.");
    return false;
  }
  return std::ranges::any_of(*list, [](const json_value& type) {
    return type.as_string() == nullptr || *type.as_string() != "full_attention";
  });
}

// A window matters where it is switched on, some layer uses it, and a sequence can outgrow it. The
// defaults of absent keys are Hugging Face's.
void check_sliding_window(key_reader& in, const model_config& config) {
  if (!in.boolean("use_sliding_window").value_or(false)) return;
  if (in.is_null("sliding_window")) return;
  constexpr std::uint32_t default_window = 4096;
  const std::uint32_t window =
      in.integer("sliding_window", 1, max_positions).value_or(default_window);
  if (window >= config.max_context() || !has_sliding_layer(in, config)) return;
  in.refuse("use_sliding_window",
            "is true with a window of " + std::to_string(window) +
                " tokens; only full attention is served.",
            error_code::unsupported);
}

outcome<json_value> read_json_object(const std::filesystem::path& path) {
  auto text = read_file(path, max_config_bytes);
  if (!text) return std::move(text).error();
  auto parsed = parse_json(*text);
  if (!parsed) {
    return failure{parsed.error().code, path.string() + ": " + parsed.error().message,
                   path.filename().string()};
  }
  if (parsed->as_object() == nullptr) {
    return failure{
        error_code::invalid_argument,
        path.string() + " holds " + std::string(parsed->type_name()) + "; an object was expected.",
        path.filename().string()};
  }
  return parsed;
}

// One id or a list of ids; null and absence give none.
std::vector<token_id> read_eos(key_reader& in) {
  constexpr std::size_t most = 64;
  const json_value* value = in.find("eos_token_id");
  if (value == nullptr) return {};
  const json_array single = {*value};
  const json_array& list = value->as_array() != nullptr ? *value->as_array() : single;
  std::vector<token_id> ids;
  for (const json_value& element : list) {
    const std::int64_t* id = element.as_int();
    if (id == nullptr || *id < 0 || *id >= max_vocab_size || ids.size() == most) {
      in.refuse("eos_token_id", "is not a token id or a list of up to 64 of them, each from 0 to " +
                                    std::to_string(max_vocab_size - 1) + ".");
      return {};
    }
    ids.push_back(static_cast<token_id>(*id));
  }
  return ids;
}

std::optional<float> optional_float(std::optional<double> x) {
  if (!x) return std::nullopt;
  return static_cast<float>(*x);
}

generation_defaults read_defaults(key_reader& in) {
  generation_defaults out;
  out.eos_token_ids = read_eos(in);
  out.temperature = optional_float(in.number("temperature", 0, 100));
  out.top_p = optional_float(in.number("top_p", 1e-6, 1));
  out.repetition_penalty = optional_float(in.number("repetition_penalty", 1e-3, 1e3));
  const json_value* top_k = in.find("top_k");
  const bool is_off = top_k != nullptr && top_k->as_int() != nullptr && *top_k->as_int() == -1;
  if (is_off) {
    out.top_k = 0;
  } else if (const auto k = in.integer("top_k", 0, max_vocab_size)) {
    out.top_k = static_cast<std::int32_t>(*k);
  }
  return out;
}

}  // namespace

std::uint32_t model_config::max_context() const {
  if (!yarn) return max_position_embeddings;
  return static_cast<std::uint32_t>(yarn->factor * yarn->original_max_position_embeddings);
}

outcome<model_config> read_model_config(const std::filesystem::path& model_dir) {
  const std::filesystem::path path = model_dir / "config.json";
  auto object = read_json_object(path);
  if (!object) return std::move(object).error();
  key_reader in(*object, path.string());
  model_config config;
  check_architecture(in);
  check_features(in);
  read_shape(in, config);
  read_numbers(in, config);
  config.published = read_published_format(in);
  if (!in.problem()) read_rope(in, config);
  if (!in.problem()) check_sliding_window(in, config);
  if (in.problem()) return *in.problem();
  return config;
}

outcome<generation_defaults> read_generation_defaults(const std::filesystem::path& model_dir) {
  generation_defaults out;
  const std::filesystem::path path = model_dir / "generation_config.json";
  if (auto object = read_json_object(path)) {
    key_reader in(*object, path.string());
    out = read_defaults(in);
    if (in.problem()) return *in.problem();
  } else if (object.error().code != error_code::not_found) {
    return std::move(object).error();
  }
  if (!out.eos_token_ids.empty()) return out;
  auto config = read_json_object(model_dir / "config.json");
  if (!config) return std::move(config).error();
  key_reader in(*config, (model_dir / "config.json").string());
  out.eos_token_ids = read_eos(in);
  if (in.problem()) return *in.problem();
  return out;
}

}  // namespace troupe
