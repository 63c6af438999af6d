#include "model/weights.hpp"

#include "model/integer_tensors.hpp"
#include "model/misfit_list.hpp"
#include "model/safetensors.hpp"
#include "model/weight_table.hpp"

#include <string>
#include <utility>

namespace troupe {
namespace {

// What older exports write beside the weights, or Hugging Face itself ignores: rotary frequencies,
// which follow from the config, and the LM head of a tied model, for which the embedding stands.
bool is_harmless(std::string_view name, const host_tensor& tensor, const model_config& config) {
  if (name.starts_with("model.") && name.ends_with("rotary_emb.inv_freq")) return true;
  const std::vector<std::int64_t> head_shape = {config.vocab_size, config.hidden_size};
  return config.tie_word_embeddings && name == "lm_head.weight" && tensor.shape == head_shape;
}

}  // namespace

outcome<model_weights> load_weights(const std::filesystem::path& model_dir,
                                    const model_config& config) {
  auto opened = open_checkpoint(model_dir);
  if (!opened) return std::move(opened).error();
  tensor_map& found = opened->tensors;
  model_weights out;
  misfit_list misfits;
  for (weight_entry& expected : list_weights(config, out)) {
    if (config.published && is_layer_weight(expected)) {
      take_integers(found, expected, *config.published, misfits);
      continue;
    }
    const auto at = found.find(expected.name);
    if (at == found.end()) {
      misfits.add("tensor " + expected.name + " of shape " + shape_text(expected.shape) +
                  " is missing");
      continue;
    }
    if (at->second.shape != expected.shape) {
      misfits.add("tensor " + expected.name + " has shape " + shape_text(at->second.shape) +
                  ", expected " + shape_text(expected.shape));
    }
    if (at->second.type == dtype::int32) {
      misfits.add("tensor " + expected.name + " is of int32, expected floats");
    }
    *expected.target = std::move(at->second);
    found.erase(at);
  }
  for (const auto& [name, tensor] : found) {
    if (is_harmless(name, tensor, config)) continue;
    misfits.add("tensor " + name + " of shape " + shape_text(tensor.shape) + " is not expected");
  }
  if (!misfits.empty()) {
    return failure{
        error_code::invalid_argument,
        "The weights in " + model_dir.string() + " do not fit their config.json: " + misfits.text(),
        model_dir.string()};
  }
  if (config.tie_word_embeddings) out.lm_head = out.embedding;
  out.storage = std::move(opened->storage);
  return out;
}

}  // namespace troupe
