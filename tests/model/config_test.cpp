#include "model/model_config.hpp"
#include "model/published_shapes.hpp"
#include "temp_dir.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace troupe;

namespace {

using json_members = std::map<std::string, std::string>;  // key -> JSON text

json_members members_of(const published_shape& shape) {
  return {{"architectures", R"(["Qwen2ForCausalLM"])"},
          {"model_type", R"("qwen2")"},
          {"hidden_act", R"("silu")"},
          {"hidden_size", std::to_string(shape.hidden)},
          {"intermediate_size", std::to_string(shape.intermediate)},
          {"num_hidden_layers", std::to_string(shape.layers)},
          {"num_attention_heads", std::to_string(shape.q_heads)},
          {"num_key_value_heads", std::to_string(shape.kv_heads)},
          {"vocab_size", std::to_string(shape.vocab)},
          {"max_position_embeddings", "32768"},
          {"max_window_layers", "21"},
          {"rms_norm_eps", "1e-06"},
          {"rope_theta", "1000000.0"},
          {"sliding_window", "4096"},
          {"use_sliding_window", "false"},
          {"tie_word_embeddings", shape.tied ? "true" : "false"},
          {"torch_dtype", R"("bfloat16")"},
          {"eos_token_id", "151645"}};
}

std::string to_text(const json_members& members) {
  std::string out = "{";
  for (const auto& [key, value] : members) {
    out += (out.size() > 1 ? ",\"" : "\"") + key + "\":" + value;
  }
  return out + "}";
}

outcome<model_config> read(const std::string& text) {
  const test::temp_dir dir;
  dir.write("config.json", text);
  return read_model_config(dir.path());
}

outcome<model_config> read(const json_members& members) { return read(to_text(members)); }

json_members seven_b() { return members_of(published_shapes[3]); }

std::string message_of(const json_members& members) {
  auto config = read(members);
  REQUIRE_FALSE(config);
  return config.error().message;
}

outcome<generation_defaults> read_defaults(const std::string& generation, const std::string& eos) {
  const test::temp_dir dir;
  dir.write("config.json", "{\"eos_token_id\":" + eos + "}");
  if (!generation.empty()) dir.write("generation_config.json", generation);
  return read_generation_defaults(dir.path());
}

}  // namespace

TEST_CASE("every published shape is read as published") {
  for (const auto& shape : published_shapes) {
    CAPTURE(shape.name);
    auto config = read(members_of(shape));
    REQUIRE_MESSAGE(config, config.error().message);
    CHECK(config->hidden_size == shape.hidden);
    CHECK(config->intermediate_size == shape.intermediate);
    CHECK(config->num_hidden_layers == shape.layers);
    CHECK(config->num_attention_heads == shape.q_heads);
    CHECK(config->num_key_value_heads == shape.kv_heads);
    CHECK(config->head_dim == shape.hidden / shape.q_heads);
    CHECK(config->vocab_size == shape.vocab);
    CHECK(config->tie_word_embeddings == shape.tied);
    CHECK(config->rope_theta == 1e6);
    CHECK(config->rms_norm_eps == 1e-6F);
    CHECK(config->type == dtype::bfloat16);
    CHECK_FALSE(config->yarn);
    CHECK(config->max_context() == 32768);
  }
}

TEST_CASE("the newer key forms mean the same") {
  json_members members = seven_b();
  members.erase("rope_theta");
  members.erase("torch_dtype");
  members["dtype"] = R"("float16")";
  members["rope_parameters"] = R"({"rope_type":"default","rope_theta":500000})";
  members["head_dim"] = "64";
  members["quantization_config"] = "null";
  auto config = read(members);
  REQUIRE_MESSAGE(config, config.error().message);
  CHECK(config->rope_theta == 500000.0);
  CHECK(config->type == dtype::float16);
  CHECK(config->head_dim == 64);
}

TEST_CASE("absent keys take the defaults of Hugging Face") {
  json_members members = seven_b();
  for (const char* key : {"rope_theta", "rms_norm_eps", "tie_word_embeddings", "torch_dtype",
                          "hidden_act", "architectures", "use_sliding_window"}) {
    members.erase(key);
  }
  members["num_key_value_heads"] = "null";
  auto config = read(members);
  REQUIRE_MESSAGE(config, config.error().message);
  CHECK(config->rope_theta == 10000.0);
  CHECK(config->rms_norm_eps == 1e-6F);
  CHECK_FALSE(config->tie_word_embeddings);
  CHECK(config->num_key_value_heads == 28);
}

TEST_CASE("YaRN is read from either form, with its defaults") {
  json_members members = seven_b();
  SUBCASE("the form of the model cards") {
    members["rope_scaling"] =
        R"({"factor":4.0,"original_max_position_embeddings":32768,"type":"yarn"})";
  }
  SUBCASE("rope_type beside rope_theta") {
    members["rope_parameters"] = R"({"factor":4,"original_max_position_embeddings":32768,
      "rope_type":"yarn","rope_theta":1000000.0,"beta_fast":null,"beta_slow":0})";
  }
  SUBCASE("the original window falls back to the model's") {
    members["rope_scaling"] = R"({"factor":4.0,"rope_type":"yarn"})";
  }
  SUBCASE("the factor falls back to the ratio of the windows") {
    members["max_position_embeddings"] = "131072";
    members["rope_scaling"] =
        R"({"original_max_position_embeddings":32768,"rope_type":"yarn","factor":null})";
  }
  SUBCASE("a window outside the object wins") {
    members["original_max_position_embeddings"] = "32768";
    members["rope_scaling"] =
        R"({"original_max_position_embeddings":16,"rope_type":"yarn","factor":4})";
  }
  auto config = read(members);
  REQUIRE_MESSAGE(config, config.error().message);
  REQUIRE(config->yarn);
  CHECK(config->rope_theta == 1e6);
  CHECK(config->yarn->factor == 4.0);
  CHECK(config->yarn->original_max_position_embeddings == 32768);
  CHECK(config->yarn->beta_fast == 32.0);
  CHECK(config->yarn->beta_slow == 1.0);
  CHECK_FALSE(config->yarn->attention_factor);
  CHECK(config->yarn->truncate);
  CHECK(config->max_context() == 131072);
}

TEST_CASE("YaRN's optional keys are kept, and the two magnitude scales give their ratio") {
  json_members members = seven_b();
  members["rope_scaling"] = R"({"factor":2,"rope_type":"yarn","beta_fast":16,"beta_slow":2,
    "truncate":false,"attention_factor":1.5,"mscale":1.0,"mscale_all_dim":0.5})";
  auto config = read(members);
  REQUIRE_MESSAGE(config, config.error().message);
  CHECK(config->yarn->beta_fast == 16.0);
  CHECK(config->yarn->beta_slow == 2.0);
  CHECK_FALSE(config->yarn->truncate);
  CHECK(config->yarn->attention_factor == 1.5);

  members["rope_scaling"] =
      R"({"factor":40,"rope_type":"yarn","mscale":1.0,"mscale_all_dim":0.5,"rope_theta":1e4})";
  members["max_position_embeddings"] = "4096";
  config = read(members);
  REQUIRE_MESSAGE(config, config.error().message);
  // (0.1 * ln 40 + 1) / (0.05 * ln 40 + 1)
  CHECK(*config->yarn->attention_factor == doctest::Approx(1.1557214).epsilon(1e-6));
}

TEST_CASE("a sliding window is refused where it would change an answer, and only there") {
  json_members members = seven_b();
  members["use_sliding_window"] = "true";
  CHECK(message_of(members).find("window of 4096 tokens") != std::string::npos);
  json_members defaults = members;
  defaults.erase("sliding_window");
  defaults["num_hidden_layers"] = "29";
  defaults.erase("max_window_layers");
  CHECK(message_of(defaults).find("window of 4096 tokens") != std::string::npos);
  json_members typed = members;
  typed["max_window_layers"] = "28";
  typed["layer_types"] = R"(["full_attention","sliding_attention"])";
  CHECK(message_of(typed).find("window of 4096 tokens") != std::string::npos);

  for (const auto& [key, value] : json_members{{"sliding_window", "32768"},
                                               {"sliding_window ", "0"},
                                               {"max_window_layers", "28"},
                                               {"layer_types", R"(["full_attention"])"}}) {
    json_members harmless = members;
    harmless[key.ends_with(' ') ? "sliding_window" : key] = key.ends_with(' ') ? "null" : value;
    CAPTURE(key);
    auto config = read(harmless);
    CHECK_MESSAGE(config, config.error().message);
  }
}

TEST_CASE("layers of integers are known as they are published") {
  json_members awq = seven_b();
  // As Qwen2.5-0.5B-Instruct-AWQ and -GPTQ-Int8 have it.
  awq["quantization_config"] =
      R"({"bits": 4, "group_size": 128, "modules_to_not_convert": null, "quant_method": "awq",)"
      R"( "version": "gemm", "zero_point": true})";
  auto config = read(awq);
  REQUIRE_MESSAGE(config, config.error().message);
  REQUIRE(config->published.has_value());
  CHECK(config->published->layout == integer_layout::awq);
  CHECK(config->published->bits == 4);
  CHECK(config->published->group_size == 128);
  CHECK(config->published->added_to_zeros == 0);
  json_members gptq = seven_b();
  gptq["quantization_config"] =
      R"({"batch_size": 1, "bits": 8, "block_name_to_quantize": null, "damp_percent": 0.01,)"
      R"( "dataset": null, "desc_act": false, "exllama_config": {"version": 1},)"
      R"( "group_size": 128, "quant_method": "gptq", "sym": true, "true_sequential": true})";
  config = read(gptq);
  REQUIRE_MESSAGE(config, config.error().message);
  REQUIRE(config->published.has_value());
  CHECK(config->published->layout == integer_layout::gptq);
  CHECK(config->published->bits == 8);
  CHECK(config->published->added_to_zeros == 1);
  gptq["quantization_config"] =
      R"({"bits":4,"group_size":-1,"quant_method":"gptq","desc_act":true,)"
      R"("checkpoint_format":"gptq_v2"})";
  config = read(gptq);
  REQUIRE_MESSAGE(config, config.error().message);
  CHECK(config->published->group_size == 0);
  CHECK(config->published->num_groups(896) == 1);
  CHECK(config->published->added_to_zeros == 0);
  CHECK(!read(seven_b())->published);
}

TEST_CASE("published integers that are not served are refused by name") {
  struct wrong_format {
    const char* value;
    const char* expected;
  };
  const wrong_format table[] = {
      {"{}", R"(quant_method is missing; "awq", "gptq" or)"},
      {R"({"quant_method":"bitsandbytes"})", R"(is "bitsandbytes")"},
      {"\"awq\"", "an object or null was expected"},
      {R"({"quant_method":"awq"})", "bits is missing"},
      {R"({"quant_method":"awq","bits":4})", "group_size is missing"},
      {R"({"quant_method":"awq","bits":4,"group_size":64})",
       "group_size is 64; a multiple of 128, or -1"},
      {R"({"quant_method":"awq","bits":4,"group_size":192})", "group_size is 192"},
      {R"({"quant_method":"awq","bits":4,"group_size":-0.5})", "group_size is -0.5"},
      {R"({"quant_method":"awq","bits":3,"group_size":128})", "bits is 3; AWQ is served with 4"},
      {R"({"quant_method":"awq","bits":4,"group_size":128,"version":"gemv"})",
       R"(version is "gemv"; only "gemm")"},
      {R"({"quant_method":"awq","bits":4,"group_size":128,"zero_point":false})",
       "zero_point is false"},
      {R"({"quant_method":"gptq","bits":2,"group_size":128})",
       "bits is 2; GPTQ is served with 4 or 8"},
      {R"({"quant_method":"gptq","bits":4,"group_size":128,"desc_act":true})", "desc_act is true"},
      {R"({"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"marlin"})",
       R"(checkpoint_format is "marlin")"},
  };
  for (const wrong_format& wrong : table) {
    json_members members = seven_b();
    members["quantization_config"] = wrong.value;
    const std::string message = message_of(members);
    CHECK_MESSAGE(message.find(wrong.expected) != std::string::npos, message);
  }
}

TEST_CASE("what the model cannot be is refused by name") {
  struct wrong_key {
    const char* key;
    const char* value;
    const char* expected;
  };
  const wrong_key table[] = {
      {"model_type", R"("llama")", R"(model_type is "llama")"},
      {"model_type", R"("qwen2_moe")", R"(only "qwen2" is served)"},
      {"architectures", R"(["Qwen2ForSequenceClassification"])", "Qwen2ForSequenceClassification"},
      {"architectures", "[]", "not a list of one name"},
      {"hidden_act", R"("gelu")", R"(hidden_act is "gelu")"},
      {"hidden_act", "3", "hidden_act is 3; a string was expected"},
      {"torch_dtype", R"("float8_e4m3fn")", "float32, bfloat16 or float16 was expected"},
      {"rope_scaling", R"({"type":"dynamic","factor":2})", R"(type is "dynamic")"},
      {"rope_scaling", R"({"rope_type":"mrope"})", R"(rope_type is "mrope")"},
      {"rope_scaling", "[]", "an object or null was expected"},
      {"rope_scaling", R"({"rope_type":"yarn","factor":0.5})", "factor is 0.5"},
      {"rope_scaling", R"({"rope_type":"yarn","factor":"4"})", R"(factor is "4")"},
      {"rope_scaling", R"({"rope_type":"yarn","factor":9999})", "above 16777216 positions"},
      {"rope_scaling", R"({"rope_type":"yarn","factor":4,"original_max_position_embeddings":0})",
       "original_max_position_embeddings is 0"},
      {"rope_scaling", R"({"rope_type":"yarn","original_max_position_embeddings":65536})",
       "factor is missing"},
      {"rope_scaling", R"({"rope_type":"yarn","factor":4,"beta_fast":1,"beta_slow":2})",
       "beta_fast is below beta_slow"},
      {"rope_scaling", R"({"rope_type":"yarn","factor":4,"attention_factor":-1})",
       "attention_factor is -1"},
      {"rope_theta", "0", "rope_theta is 0"},
      {"rope_theta", R"("1e6")", R"(rope_theta is "1e6"; a number)"},
      {"rms_norm_eps", "0.0", "rms_norm_eps is 0.0"},
      {"hidden_size", "0", "hidden_size is 0; an integer from 1"},
      {"hidden_size", "-3584", "hidden_size is -3584"},
      {"hidden_size", "3584.0", "hidden_size is 3584.0; an integer"},
      {"hidden_size", "3585", "a multiple of num_attention_heads 28"},
      {"hidden_size", "18446744073709551615", "an integer from 1 to"},
      {"intermediate_size", "1e30", "intermediate_size is 1e+30"},
      {"num_hidden_layers", "true", "num_hidden_layers is true"},
      {"num_hidden_layers", "1000000", "an integer from 1 to 1024"},
      {"num_key_value_heads", "3", "a divisor of num_attention_heads 28"},
      {"num_attention_heads", "null", "num_attention_heads is missing"},
      {"head_dim", "127", "head_dim is 127; an even number"},
      {"vocab_size", "4194305", "vocab_size is 4194305"},
      {"max_position_embeddings", "0", "max_position_embeddings is 0"},
      {"partial_rotary_factor", "0.5", "only whole heads are rotated"},
      {"tie_word_embeddings", "1", "true or false was expected"},
      {"use_sliding_window", R"("yes")", "true or false was expected"},
  };
  for (const wrong_key& wrong : table) {
    json_members members = seven_b();
    members[wrong.key] = wrong.value;
    const std::string message = message_of(members);
    CHECK_MESSAGE(message.find(wrong.expected) != std::string::npos, message);
  }
}

TEST_CASE("a file that is no config is refused") {
  CHECK_FALSE(read(std::string("")));
  CHECK_FALSE(read(std::string("{\"hidden_size\":")));
  auto list = read(std::string("[1]"));
  REQUIRE_FALSE(list);
  CHECK(list.error().message.find("holds an array; an object was expected") != std::string::npos);
  CHECK(read(std::string(2U << 20, ' ')).error().code == error_code::too_large);
  const test::temp_dir dir;
  auto missing = read_model_config(dir.path());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == error_code::not_found);
  CHECK(missing.error().field == "config.json");
}

TEST_CASE("generation defaults come from their file, the end tokens also from config.json") {
  auto published = read_defaults(R"({"eos_token_id":[151645,151643],"temperature":0.7,"top_p":0.8,
    "top_k":20,"repetition_penalty":1.05})",
                                 "1");
  REQUIRE_MESSAGE(published, published.error().message);
  CHECK(published->eos_token_ids == std::vector<token_id>{151645, 151643});
  CHECK(published->temperature == 0.7F);
  CHECK(published->top_p == 0.8F);
  CHECK(published->top_k == 20);
  CHECK(published->repetition_penalty == 1.05F);

  auto fallback = read_defaults("", "151643");
  REQUIRE_MESSAGE(fallback, fallback.error().message);
  CHECK(fallback->eos_token_ids == std::vector<token_id>{151643});
  CHECK_FALSE(fallback->temperature);
  CHECK(read_defaults(R"({"top_k":-1})", "[7]")->top_k == 0);
  CHECK(read_defaults("{}", "null")->eos_token_ids.empty());

  for (const char* wrong : {R"({"temperature":-1})", R"({"top_p":0})", R"({"top_p":1.5})",
                            R"({"top_k":-2})", R"({"eos_token_id":"x"})",
                            R"({"eos_token_id":[-1]})", R"({"repetition_penalty":0})", "[]", "{"}) {
    CAPTURE(wrong);
    CHECK_FALSE(read_defaults(wrong, "1"));
  }
}
