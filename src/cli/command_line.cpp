#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/bench_flags.hpp"
#include "cli/chat_flags.hpp"
#include "cli/config_sources.hpp"
#include "cli/flags.hpp"
#include "cli/fleet_flags.hpp"
#include "cli/gate_flags.hpp"
#include "cli/grammar.hpp"
#include "cli/nearest_name.hpp"
#include "cli/overload_flags.hpp"
#include "cli/plan_flags.hpp"
#include "cli/quantize.hpp"
#include "cli/score.hpp"
#include "cli/serve.hpp"
#include "cli/tokenize.hpp"
#include "cli/wire_flags.hpp"

namespace troupe {
namespace {

CLI::Option* add_quantization(CLI::App* app, quantization& wanted) {
  return add_choice<quantization>(
      app, "--quantization", wanted,
      {{"auto", quantization::automatic},
       {"none", quantization::none},
       {"int8", quantization::int8},
       {"int4", quantization::int4}},
      "auto: as the checkpoint is (AWQ, GPTQ: its integers, embedding and LM head in int8); none: "
      "weights as --dtype says; int8, int4: quantised while they are loaded, by groups of 128, and "
      "on the CPU what they are multiplied with to int8; int4: embedding and LM head in int8. "
      "GPUs: "
      "none (auto means it) and int8");
}

void add_model_flags(CLI::App* app, serve_options& o) {
  app->add_option("model", o.model_dir, "Directory of a Qwen2.5 model in Hugging Face layout")
      ->required()
      ->type_name("MODEL_DIR");
  const auto* group = "Model";
  app->add_option("--served-model-name", o.served_model_name,
                  "Name that clients use (default: the directory's name)")
      ->group(group);
  app->add_option("--dtype", o.dtype, "Arithmetic: auto (as published), bfloat16 or float32")
      ->check(CLI::IsMember({"auto", "bfloat16", "float32"}))
      ->capture_default_str()
      ->group(group);
  add_quantization(app, o.weights)->group(group);
  add_choice<load_format>(app, "--load-format", o.format,
                          {{"auto", load_format::files}, {"dummy", load_format::dummy}},
                          "auto: safetensors files; dummy: seeded random weights of config.json")
      ->group(group);
  app->add_option("--seed", o.seed, "Of dummy weights and of requests that give no seed")
      ->capture_default_str()
      ->group(group);
  add_choice<yarn_mode>(
      app, "--yarn", o.yarn,
      {{"always", yarn_mode::always}, {"per-request", yarn_mode::per_request}},
      "always: as Hugging Face; per-request: plain RoPE for requests whose prompt and "
      "max_tokens fit the original window")
      ->group(group);
}

void add_device_flags(CLI::App* app, serve_options& o) {
  const auto* group = "Device";
  add_choice<device_kind>(
      app, "--device", o.device,
      {{"cpu", device_kind::cpu},
       {"cuda", device_kind::cuda},
       {"auto", device_kind::automatic},
       {"null", device_kind::null},
       {"sim", device_kind::sim}},
      "cuda: NVIDIA GPUs, one for each rank; auto: cuda where it can be used, else cpu. null, sim: "
      "no model computes, answers are drawn tokens; null at once, sim in the time of a GPU")
      ->group(group);
  add_switch(app, "--deterministic", o.deterministic,
             "On GPUs: a token does not depend on what else is in the step, at some cost in speed. "
             "On the CPU that is always so")
      ->group(group);
  add_choice<prefill_attention_kernel>(
      app, "--prefill-attention", o.prefill_attention,
      {{"mma", prefill_attention_kernel::mma}, {"wgmma", prefill_attention_kernel::wgmma}},
      "How GPUs attend for prompts. wgmma: for H100, H200 and GH200 alone (compute capability "
      "9.0), not yet run on one. Keys and values in fp8 have mma")
      ->group(group);
  add_choice<all_reduce_way>(
      app, "--all-reduce", o.all_reduce,
      {{"nccl", all_reduce_way::nccl}, {"peer", all_reduce_way::peer}},
      "How the ranks' sums cross between GPUs. peer: up to 8 MiB by a kernel that reads the peers' "
      "memory, where all GPUs reach each other's; not yet run on GPUs")
      ->group(group);
  app->add_option("--sim-gpu", o.sim_gpu, "GPU whose time and memory --device sim takes")
      ->check(CLI::IsMember({"rtx4090", "rtx4090d", "a100", "h100", "h200"}))
      ->capture_default_str()
      ->group(group);
  app->add_option("--sim-link", o.sim_link,
                  "What joins --tensor-parallel-size of them; auto: what that GPU comes with")
      ->check(CLI::IsMember({"auto", "pcie", "pcie-p2p", "nvlink3", "nvlink4"}))
      ->capture_default_str()
      ->group(group);
  add_time(app, "--sim-load-time", o.sim_load_time,
           "How long --device sim takes to load its weights")
      ->group(group);
}

void add_engine_flags(CLI::App* app, serve_options& o) {
  const auto* group = "Engine";
  app->add_option("--max-model-len", o.max_model_len,
                  "Context: prompt and completion, tokens (default: what the model can do)")
      ->group(group);
  app->add_option("--max-num-seqs", o.max_num_seqs, "Sequences in one step")
      ->check(CLI::Range(1U, 4096U))
      ->capture_default_str()
      ->group(group);
  app->add_option("--max-num-batched-tokens", o.max_num_batched_tokens,
                  "Rows in one step; longer prompts are cut into chunks")
      ->check(CLI::Range(1U, 65536U))
      ->capture_default_str()
      ->group(group);
  add_switch(app, "--enable-prefix-caching,!--no-enable-prefix-caching", o.enable_prefix_caching,
             "Share the KV pages of equal prefixes")
      ->group(group);
  app->add_option("--tensor-parallel-size", o.tensor_parallel_size,
                  "Ranks that share the model's weights: 1, 2, 4 or 8")
      ->check(CLI::IsMember({1, 2, 4, 8}))
      ->capture_default_str()
      ->group(group);
  app->add_option("--threads", o.threads, "CPU threads of each rank (default: cores / ranks)")
      ->check(CLI::Range(0U, 1024U))
      ->group(group);
  add_time(app, "--executor-timeout", o.executor_timeout,
           "A step that takes longer counts as a dead device")
      ->group(group);
  add_time(app, "--stall-timeout", o.stall_timeout,
           "/ready says 503 after so long without a step while requests wait")
      ->group(group);
}

void add_speculation_flags(CLI::App* app, serve_options& o) {
  const auto* group = "Speculation";
  app->add_option("--num-speculative-tokens", o.num_speculative_tokens,
                  "Tokens of a row guessed ahead by prompt lookup, at most; 0: none (default: 7 on "
                  "the CPU, 0 elsewhere). Answers are the same")
      ->check(CLI::Range(0U, 64U))
      ->group(group);
  app->add_option("--prompt-lookup-min", o.prompt_lookup_min,
                  "Last tokens that must have stood before")
      ->check(CLI::Range(2U, 64U))
      ->capture_default_str()
      ->group(group);
  app->add_option("--prompt-lookup-max", o.prompt_lookup_max,
                  "Last tokens that are looked at, for the longest match")
      ->check(CLI::Range(2U, 64U))
      ->capture_default_str()
      ->group(group);
  app->add_option("--max-speculative-rows", o.max_speculative_rows,
                  "Rows of a step up to which guesses are added")
      ->check(CLI::Range(1U, 4096U))
      ->capture_default_str()
      ->group(group);
}

void add_memory_flags(CLI::App* app, serve_options& o) {
  const auto* group = "Memory";
  app->add_option("--gpu-memory-utilization", o.memory_utilization,
                  "Share of the device's free memory (CPU: of the available RAM) to plan with "
                  "(default: 0.9 with --device cuda and sim, 0.5 elsewhere)")
      ->check(CLI::Validator(
          [](const std::string& text) {
            double share = 0;
            // CLI::Range lets NaN pass.
            bool is_share = CLI::detail::lexical_cast(text, share) && share >= 0.01 && share <= 1;
            return is_share ? std::string{} : "expected a share from 0.01 to 1: " + text;
          },
          "0.01 to 1"))
      ->group(group);
  add_choice<kv_cache_dtype>(app, "--kv-cache-dtype", o.kv_dtype,
                             {{"auto", kv_cache_dtype::automatic},
                              {"bf16", kv_cache_dtype::bf16},
                              {"int8", kv_cache_dtype::int8},
                              {"fp8", kv_cache_dtype::fp8}},
                             "Keys and values: auto (as --dtype), bf16; half the bytes of bf16, "
                             "rounded as they come: int8 on the CPU, fp8 (e4m3) on GPUs")
      ->group(group);
  auto* bytes = add_bytes(app, "--kv-cache-memory-bytes", o.kv_cache_bytes,
                          "Size of the KV cache instead of what is left")
                    ->group(group);
  app->add_option("--num-gpu-blocks-override", o.num_kv_pages,
                  "Number of KV pages of 16 tokens instead of what is left")
      ->excludes(bytes)
      ->group(group);
  app->add_flag("--plan", o.only_plan, "Print the memory plan and leave")->group(group);
}

void add_limit_flags(CLI::App* app, serve_options& o) {
  const auto* group = "Limits";
  app->add_option("--max-num-queued-reqs", o.max_queued_requests, "Requests that may wait")
      ->check(at_least_one())
      ->capture_default_str()
      ->group(group);
  app->add_option("--max-num-queued-tokens", o.max_queued_tokens,
                  "Prompt tokens that may wait, together")
      ->capture_default_str()
      ->group(group);
  add_bytes(app, "--grammar-cache-bytes", o.grammar_cache_bytes,
            "Compiled schemas and other grammars that are kept; the oldest unused give way")
      ->group(group);
  add_time(app, "--queue-timeout", o.queue_timeout, "Longest wait for admission")->group(group);
  add_time(app, "--request-timeout", o.request_timeout, "Longest life of a request")->group(group);
  add_time(app, "--drain-timeout", o.drain_timeout, "After SIGTERM: time to finish")->group(group);
}

void add_storage_flags(CLI::App* app, serve_options& o, const char* group) {
  app->add_option("--max-stored-responses", o.max_stored_responses,
                  "Answers of /v1/responses that are kept; the oldest unused give way. 0: none")
      ->capture_default_str()
      ->group(group);
  add_bytes(app, "--max-stored-response-bytes", o.max_stored_response_bytes, "All of them together")
      ->default_str("64MiB")
      ->group(group);
}

void add_http_flags(CLI::App* app, serve_options& o) {
  const auto* group = "HTTP";
  app->add_option("--host", o.host, "Address to listen on")->capture_default_str()->group(group);
  app->add_option("--port", o.port, "Port to listen on; 0: any")
      ->check(CLI::Range(0U, 65535U))
      ->capture_default_str()
      ->group(group);
  app->add_option("--io-threads", o.io_threads, "Threads that serve connections")
      ->check(CLI::Range(1U, 256U))
      ->capture_default_str()
      ->group(group);
  app->add_option("--max-connections", o.max_connections, "Connections open at once")
      ->check(at_least_one())
      ->capture_default_str()
      ->group(group);
  add_bytes(app, "--max-body-bytes", o.max_body_bytes, "Largest request body")->group(group);
  add_bytes(app, "--max-bodies-bytes", o.max_bodies_bytes, "Bodies of all requests together")
      ->group(group);
  add_bytes(app, "--max-pending-bytes", o.max_pending_bytes,
            "Of one answer, unread by its client, before it is cancelled")
      ->group(group);
  add_storage_flags(app, o, group);
  add_time(app, "--header-timeout", o.header_timeout, "First to last byte of a request's head")
      ->group(group);
  add_time(app, "--body-timeout", o.body_timeout, "For every 5 KiB of a body")->group(group);
  add_time(app, "--idle-timeout", o.idle_timeout, "Between two requests of a connection")
      ->group(group);
  add_time(app, "--write-timeout", o.write_timeout, "For a client to take what it is sent")
      ->group(group);
  app->add_flag("--enable-load-tests", o.enable_load_tests,
                "Let the dashboard, and POST /load_tests, start load tests of this server: at most "
                "one at a time, 1000 users, 100000 requests, 2 h; 8 are kept (docs/bench.md)")
      ->group(group);
}

// What a gateway decides for each of its replicas.
bool replicas_choose(const CLI::Option& option) {
  static const std::set<std::string> decided{"--threads", "--gpu-memory-utilization",
                                             "--kv-cache-memory-bytes",
                                             "--num-gpu-blocks-override"};
  return option.get_group() != fleet_group && !decided.contains(option.get_name());
}

void add_serve(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("serve", "Serve a model over HTTP");
  auto options = std::make_shared<serve_options>();
  add_model_flags(command, *options);
  add_device_flags(command, *options);
  add_engine_flags(command, *options);
  add_speculation_flags(command, *options);
  add_memory_flags(command, *options);
  add_limit_flags(command, *options);
  add_http_flags(command, *options);
  add_overload_flags(command, *options);
  add_gate_flags(command, options->gate);
  add_wire_flags(command, *options);
  add_fleet_flags(command, *options);
  command->add_flag("--protocol", options->only_protocol,
                    "Print every actor and the messages it answers, and leave");
  // Last: it takes care of every flag that the command has by now.
  auto sources = std::make_shared<config_sources>(command);
  command->callback([options, sources, &status] {
    if (auto known = sources->complete(current_environment()); !known) {
      std::cerr << "troupe: " << known.error().message << '\n';
      status = 2;
    } else if (sources->only_print()) {
      sources->print(std::cout);
    } else {
      std::ostringstream replica_config;
      sources->print(replica_config, replicas_choose);
      status = run_serve(*options, replica_config.str());
    }
  });
}

void add_tokenize(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "tokenize", "Text or chats to token ids and back: JSON lines in, JSON lines out");
  auto model_dir = std::make_shared<std::filesystem::path>();
  command->add_option("model_dir", *model_dir)->required()->type_name("MODEL_DIR");
  command->callback(
      [model_dir, &status] { status = run_tokenize(*model_dir, std::cin, std::cout, std::cerr); });
}

void add_grammar(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "grammar", "What a schema, regex, choice or grammar allows: JSON lines in, JSON lines out");
  command->footer(
      "Each line: {\"schema\"|\"regex\"|\"choice\"|\"grammar\": ..., \"texts\": [...]}, with a "
      "schema also\n"
      "\"lenient\", \"strict\": true, \"whitespace\": \"bounded\"|\"compact\"|\"any\". Every text "
      "is\n"
      "walked token by token through the masks. A line that cannot be read gets an error in its\n"
      "place, and the exit status stays 0.");
  auto model_dir = std::make_shared<std::filesystem::path>();
  command->add_option("model_dir", *model_dir, "Its tokenizer and eos tokens; no weights")
      ->required()
      ->type_name("MODEL_DIR");
  command->callback(
      [model_dir, &status] { status = run_grammar(*model_dir, std::cin, std::cout, std::cerr); });
}

void add_score(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "score", "Logits and greedy tokens for given token ids: JSON lines in, JSON lines out");
  auto model_dir = std::make_shared<std::filesystem::path>();
  auto options = std::make_shared<score_options>();
  command->add_option("model_dir", *model_dir)->required()->type_name("MODEL_DIR");
  add_choice<dtype>(command, "--dtype", options->type,
                    {{"float32", dtype::float32}, {"bfloat16", dtype::bfloat16}}, "Arithmetic");
  add_quantization(command, options->weights);
  command->add_option("--tensor-parallel-size", options->tensor_parallel_size)
      ->check(CLI::IsMember({1, 2, 4, 8}))
      ->capture_default_str();
  command->add_option("--greedy", options->num_greedy, "Tokens to generate after the given ones")
      ->capture_default_str();
  command->add_option("--threads", options->num_threads, "CPU threads of each rank");
  command->callback([model_dir, options, &status] {
    status = run_score(*model_dir, *options, std::cin, std::cout, std::cerr);
  });
}

void add_quantize(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "quantize", "Make a checkpoint of int4 (AWQ) or int8 (GPTQ) of one of floats");
  command->footer(
      "Rounds every weight of the layers to the nearest integer, in groups of 128 inputs. int4 is\n"
      "written in AWQ's layout, int8 in GPTQ's; embedding, LM head, norms and biases stay as they\n"
      "are, the tokenizer's files are copied. Served, OUT_DIR answers as MODEL_DIR does with\n"
      "--quantization int4 or int8.");
  auto options = std::make_shared<quantize_options>();
  command
      ->add_option("model_dir", options->model_dir, "Safetensors of floats in Hugging Face layout")
      ->required()
      ->type_name("MODEL_DIR");
  command->add_option("out_dir", options->out_dir, "Directory to make; must not exist")
      ->required()
      ->type_name("OUT_DIR");
  add_choice<rounding_method>(command, "--method", options->method,
                              {{"int4", rounding_method::int4}, {"int8", rounding_method::int8}},
                              "Integers of four or eight bits");
  command->add_option("--threads", options->num_threads, "CPU threads (default: all cores)")
      ->check(CLI::Range(0U, 1024U));
  command->callback([options, &status] { status = run_quantize(*options, std::cout, std::cerr); });
}

// The flags that somebody may have meant who gave unknown ones.
void print_hints(const CLI::App& app) {
  std::vector<std::string> known;
  for (auto* command : app.get_subcommands())
    for (auto* option : command->get_options())
      for (auto& name : option->get_lnames()) known.push_back("--" + name);
  for (auto& word : app.remaining(true)) {
    auto nearest = nearest_name(word.substr(0, word.find('=')), known);
    if (!nearest.empty()) std::cerr << "Did you mean " << nearest << "?\n";
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{"Troupe serves Qwen2.5 models to many readers at once.", "troupe"};
  app.set_version_flag("--version", "troupe " TROUPE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(44);
  int status = 0;
  // Of the load tester 2 means that the SLO is missed.
  const int wrong_usage = argc > 1 && std::string_view(argv[1]) == "bench" ? 1 : 2;
  add_serve(app, status);
  add_chat(app, status);
  add_bench(app, status);
  add_tokenize(app, status);
  add_grammar(app, status);
  add_score(app, status);
  add_quantize(app, status);
  add_plan(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError& error) {
    app.exit(error);
    print_hints(app);
    return wrong_usage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : wrong_usage;
  }
  return status;
}

}  // namespace troupe
