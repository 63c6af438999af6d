#include "model/weights.hpp"

#include "model/convert.hpp"
#include "model/dummy_weights.hpp"
#include "model/published_shapes.hpp"
#include "model/weight_table.hpp"
#include "safetensors_bytes.hpp"
#include "temp_dir.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

using namespace troupe;

namespace {

model_config small_config(bool tied) {
  model_config config;
  config.hidden_size = 8;
  config.intermediate_size = 12;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 2;
  config.vocab_size = 10;
  config.tie_word_embeddings = tied;
  return config;
}

std::vector<test::named_shape> checkpoint_of(const model_config& config) {
  model_weights unused;
  std::vector<test::named_shape> out;
  for (const weight_entry& entry : list_weights(config, unused)) {
    out.push_back({entry.name, entry.shape});
  }
  return out;
}

outcome<model_weights> load(const model_config& config,
                            const std::vector<test::named_shape>& tensors) {
  const test::temp_dir dir;
  dir.write("model.safetensors", test::safetensors_file(tensors));
  return load_weights(dir.path(), config);  // the mapping outlives the file's name
}

std::string message_of(const outcome<model_weights>& loaded) {
  REQUIRE_FALSE(loaded);
  return loaded.error().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a checkpoint's tensors find their roles") {
  const model_config config = small_config(false);
  auto tensors = checkpoint_of(config);
  CHECK(tensors.size() == 3 + 2 * 12);
  tensors[0].type = dtype::float32;  // each tensor has its own dtype
  auto weights = load(config, tensors);
  REQUIRE_MESSAGE(weights, weights.error().message);
  REQUIRE(weights->layers.size() == 2);
  CHECK(weights->embedding.type == dtype::float32);
  CHECK(weights->layers[1].k.type == dtype::bfloat16);
  CHECK(weights->layers[1].k.shape == std::vector<std::int64_t>{4, 8});
  CHECK(weights->layers[1].down.shape == std::vector<std::int64_t>{8, 12});
  CHECK(weights->lm_head.bytes.data() != weights->embedding.bytes.data());
}

TEST_CASE("a tied LM head is the embedding, whether the file repeats it or not") {
  const model_config config = small_config(true);
  auto tensors = checkpoint_of(config);
  SUBCASE("absent") {}
  SUBCASE("repeated, with what older exports add") {
    tensors.push_back({"lm_head.weight", {10, 8}});
    tensors.push_back({"model.layers.1.self_attn.rotary_emb.inv_freq", {1}});
  }
  auto weights = load(config, tensors);
  REQUIRE_MESSAGE(weights, weights.error().message);
  CHECK(weights->lm_head.bytes.data() == weights->embedding.bytes.data());
}

TEST_CASE("misfits are named, the first three and how many more") {
  const model_config config = small_config(false);
  auto tensors = checkpoint_of(config);
  tensors.pop_back();
  CHECK(contains(message_of(load(config, tensors)),
                 "tensor lm_head.weight of shape [10, 8] is missing."));
  tensors = checkpoint_of(config);
  tensors[2].shape = {8, 9};
  CHECK(
      contains(message_of(load(config, tensors)),
               "tensor model.layers.0.self_attn.q_proj.weight has shape [8, 9], expected [8, 8]"));
  tensors = checkpoint_of(config);
  tensors.push_back({"model.layers.2.input_layernorm.weight", {8}});
  CHECK(contains(message_of(load(config, tensors)),
                 "tensor model.layers.2.input_layernorm.weight of shape [8] is not expected"));
  tensors = checkpoint_of(small_config(true));
  tensors.push_back({"lm_head.weight", {10, 9}});
  CHECK(contains(message_of(load(small_config(true), tensors)), "lm_head.weight of shape [10, 9]"));
  model_config deeper = config;
  deeper.num_hidden_layers = 3;
  CHECK(contains(message_of(load(deeper, checkpoint_of(config))), "; and 9 more."));
}

TEST_CASE("the published tiny model loads") {
  const char* data = std::getenv("TROUPE_SHARED_DATA");
  const std::filesystem::path dir =
      std::filesystem::path(data != nullptr ? data : "") / "models/tiny";
  if (!std::filesystem::exists(dir)) {
    MESSAGE("SKIPPED: no models/tiny under TROUPE_SHARED_DATA");
    return;
  }
  auto config = read_model_config(dir);
  REQUIRE_MESSAGE(config, config.error().message);
  CHECK(config->head_dim == 32);
  CHECK(config->tie_word_embeddings);
  auto weights = load_weights(dir, *config);
  REQUIRE_MESSAGE(weights, weights.error().message);
  CHECK(weights->layers.size() == 4);
  for (float x : to_floats(weights->layers[3].q)) REQUIRE(std::abs(x) < 1.0F);
  CHECK(read_generation_defaults(dir)->eos_token_ids == std::vector<token_id>{151645, 151643});
}

TEST_CASE("seeded weights follow from seed, name and index alone") {
  const model_config config = small_config(false);
  auto weights = make_dummy_weights(config, 7);
  REQUIRE(weights);
  const std::uint64_t key = dummy_key(7, "model.layers.1.mlp.up_proj.weight");
  const std::vector<float> up = to_floats(weights->layers[1].up);
  REQUIRE(up.size() == 96);
  for (std::size_t i = 0; i < up.size(); ++i) CHECK(up[i] == to_float(dummy_element(key, i)));
  for (float x : to_floats(weights->layers[0].input_norm)) CHECK(x == 1.0F);
  for (float x : to_floats(weights->final_norm)) CHECK(x == 1.0F);
  CHECK(to_floats(weights->layers[0].up) != up);
  CHECK(to_floats(make_dummy_weights(config, 8)->layers[1].up) != up);
  CHECK(weights->lm_head.bytes.data() != weights->embedding.bytes.data());
  const auto tied = make_dummy_weights(small_config(true), 7);
  CHECK(tied->lm_head.bytes.data() == tied->embedding.bytes.data());
}

TEST_CASE("a tensor that many threads fill in pieces is the one that its formula says") {
  model_config config = small_config(true);
  config.vocab_size = 1'000'000;
  auto weights = make_dummy_weights(config, 3);
  REQUIRE(weights);
  const std::vector<float> found = to_floats(weights->embedding);
  const std::uint64_t key = dummy_key(3, "model.embed_tokens.weight");
  double sum = 0;
  double squares = 0;
  std::size_t num_wrong = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    num_wrong += found[i] == to_float(dummy_element(key, i)) ? 0 : 1;
    sum += static_cast<double>(found[i]);
    squares += static_cast<double>(found[i]) * static_cast<double>(found[i]);
  }
  CHECK(num_wrong == 0);
  const double mean = sum / 8e6;
  CHECK(std::abs(mean) < 5 * 0.02 / std::sqrt(8e6));
  CHECK(std::sqrt(squares / 8e6) == doctest::Approx(0.02).epsilon(0.002));
}

TEST_CASE("known elements of seeded weights") {
  // From the numpy transcription in oracle.py.
  const auto bits = [](std::uint64_t seed, std::uint64_t i) {
    return dummy_element(dummy_key(seed, "model.embed_tokens.weight"), i).bits;
  };
  CHECK(bits(0U, 0U) == 0xBAD4);
  CHECK(bits(0U, 1U) == 0x3C13);
  CHECK(bits(0U, 544997375U) == 0xBCBD);
  CHECK(bits(1U, 0U) == 0x3C4B);
  CHECK(bits(1U, 1U) == 0x3C34);
  CHECK(bits(1U, 544997375U) == 0xBABC);
}
