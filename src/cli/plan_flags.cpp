#include "cli/plan_flags.hpp"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/flags.hpp"
#include "cli/plan.hpp"

namespace troupe {
namespace {

using planning::length_range;
using planning::plan_request;

// CLI::Range lets NaN pass.
CLI::Validator number_in(double low, double high, const std::string& range) {
  return CLI::Validator(
      [low, high, range](const std::string& text) {
        double value = 0;
        const bool is_fit = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
        return is_fit ? std::string{} : "expected a number in " + range + ": " + text;
      },
      range);
}

void add_lengths(CLI::App* command, const std::string& name, length_range& range,
                 const std::string& help) {
  command
      ->add_option_function<std::string>(
          name,
          [&range, name](const std::string& text) {
            auto parsed = planning::parse_lengths(text);
            if (!parsed) throw CLI::ValidationError(name, parsed.error().message);
            range = *parsed;
          },
          help)
      ->type_name("TOKENS")
      ->default_str(planning::to_text(range))
      ->group("Load");
}

void add_load_flags(CLI::App* command, plan_options& o, std::vector<std::uint32_t>& concurrency,
                    std::vector<double>& rates) {
  const auto* group = "Load";
  auto& load = o.request.load;
  auto* clients =
      command
          ->add_option("--concurrency", concurrency,
                       "Clients that ask again as soon as they are answered: a row for each number")
          ->delimiter(',')
          ->allow_extra_args(false)
          ->check(CLI::Range(1U, 4096U))
          ->default_str("1,2,4,8,16,32,64")
          ->group(group);
  command
      ->add_option("--rate", rates,
                   "Requests a second that arrive at random (Poisson), instead: a row for each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(number_in(0.001, 100'000, "0.001 to 100000"))
      ->excludes(clients)
      ->group(group);
  add_lengths(command, "--input-tokens", load.input,
              "Of a prompt: N, MIN..MAX or lognormal:MEDIAN:SIGMA");
  add_lengths(command, "--output-tokens", load.output, "Of an answer, in the same forms");
  command
      ->add_option("--shared-prefix-tokens", load.shared_prefix_tokens,
                   "Tokens at the beginning of every prompt that are the same")
      ->check(CLI::Range(0U, planning::most_tokens))
      ->capture_default_str()
      ->group(group);
  load.turnaround_seconds = 0.5e-3;
  command
      ->add_option_function<double>(
          "--turnaround-ms", [&load](double ms) { load.turnaround_seconds = ms / 1e3; },
          "From an answer to its client's next request, on average (exponential): both ways and "
          "what the client does")
      ->check(number_in(0, 600'000, "0 to 600000"))
      ->default_str("0.5")
      ->group(group);
  command->add_option("--seconds", load.seconds, "Simulated time that each row is looked at")
      ->check(number_in(1, 86'400, "1 to 86400"))
      ->capture_default_str()
      ->group(group);
  command->add_option("--seed", load.seed, "Of lengths, tokens and arrivals")
      ->capture_default_str()
      ->group(group);
}

void add_hardware_flags(CLI::App* command, plan_options& o) {
  const auto* group = "Hardware";
  command
      ->add_option("--gpu", o.gpus,
                   "GPUs of one kind, NAME or NAME:COUNT (rtx4090, rtx4090d, a100, h100, h200; "
                   "4090d, too; 1 to 64); several times: each is planned")
      ->allow_extra_args(false)  // what follows may be the model
      ->type_name("GPU")
      ->group(group);
  add_choice<bool>(command, "--device", o.on_cpu, {{"cpu", true}},
                   "cpu: this machine instead of GPUs, by steps that are measured first")
      ->group(group);
  command
      ->add_option("--threads", o.request.engine.threads,
                   "With --device cpu: threads (default: cores)")
      ->check(CLI::Range(0U, 1024U))
      ->group(group);
  command
      ->add_option("--link", o.request.engine.sim_link,
                   "What joins the ranks of a replica; auto: what that GPU comes with")
      ->check(CLI::IsMember({"auto", "pcie", "pcie-p2p", "nvlink3", "nvlink4"}))
      ->capture_default_str()
      ->group(group);
  command
      ->add_option("--tensor-parallel-size", o.request.tensor_parallel_size,
                   "Ranks of a replica: 1, 2, 4 or 8 (default: each that the GPUs allow)")
      ->check(CLI::IsMember({1, 2, 4, 8}))
      ->group(group);
  command
      ->add_option("--price", o.request.usd_per_gpu_hour,
                   "US dollars for an hour of one device: what a million tokens cost")
      ->check(number_in(0.0001, 100'000, "0.0001 to 100000"))
      ->group(group);
}

void add_model_flags(CLI::App* command, engine_options& o) {
  const auto* group = "Model";
  add_choice<quantization>(command, "--quantization", o.weights,
                           {{"auto", quantization::automatic},
                            {"none", quantization::none},
                            {"int8", quantization::int8},
                            {"int4", quantization::int4}},
                           "Weights as serve holds them; int4 is the CPU's")
      ->group(group);
  add_choice<load_format>(command, "--load-format", o.format,
                          {{"auto", load_format::files}, {"dummy", load_format::dummy}},
                          "With --device cpu: weights of files, or seeded ones of that shape")
      ->group(group);
  add_choice<kv_cache_dtype>(command, "--kv-cache-dtype", o.kv_dtype,
                             {{"auto", kv_cache_dtype::automatic},
                              {"bf16", kv_cache_dtype::bf16},
                              {"int8", kv_cache_dtype::int8},
                              {"fp8", kv_cache_dtype::fp8}},
                             "Keys and values: int8 is the CPU's, fp8 the GPUs'")
      ->group(group);
  command
      ->add_option("--max-model-len", o.max_model_len,
                   "Context: prompt and completion, tokens (default: what the model can do)")
      ->group(group);
}

void add_engine_flags(CLI::App* command, engine_options& o) {
  const auto* group = "Engine";
  command->add_option("--max-num-seqs", o.max_num_seqs, "Sequences in one step")
      ->check(CLI::Range(1U, 4096U))
      ->capture_default_str()
      ->group(group);
  command->add_option("--max-num-batched-tokens", o.max_num_batched_tokens, "Rows in one step")
      ->check(CLI::Range(1U, 65536U))
      ->capture_default_str()
      ->group(group);
  add_switch(command, "--enable-prefix-caching,!--no-enable-prefix-caching",
             o.enable_prefix_caching, "Share the KV pages of equal prefixes")
      ->group(group);
  command
      ->add_option("--gpu-memory-utilization", o.memory_utilization,
                   "Share of the device's memory to plan with (default: 0.9 of a GPU, 0.5 of the "
                   "machine's with --device cpu)")
      ->check(number_in(0.01, 1, "0.01 to 1"))
      ->group(group);
  add_bytes(command, "--kv-cache-memory-bytes", o.kv_cache_bytes,
            "Size of the KV cache instead of what is left")
      ->group(group);
  command->add_option("--max-num-queued-reqs", o.max_queued_requests, "Requests that may wait")
      ->check(at_least_one())
      ->capture_default_str()
      ->group(group);
  add_time(command, "--queue-timeout", o.queue_timeout, "Longest wait for admission")->group(group);
  add_time(command, "--request-timeout", o.request_timeout, "Longest life of a request")
      ->group(group);
}

void set_rows(plan_request& request, const std::vector<std::uint32_t>& concurrency,
              const std::vector<double>& rates) {
  for (const auto clients : concurrency) request.rows.push_back({.concurrency = clients});
  for (const auto rate : rates) request.rows.push_back({.rate = rate});
  if (!request.rows.empty()) return;
  for (std::uint32_t clients = 1; clients <= 64; clients *= 2)
    request.rows.push_back({.concurrency = clients});
}

}  // namespace

void add_plan(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "plan", "What hardware would hold: memory, first tokens, tokens a second, cost. Simulated");
  command->footer(
      "The house's own queue, batcher and pages run under a simulated clock, with the step times\n"
      "of a roofline model of the GPUs. Every GPU number is simulated: see docs/plan.md.");
  auto options = std::make_shared<plan_options>();
  auto concurrency = std::make_shared<std::vector<std::uint32_t>>();
  auto rates = std::make_shared<std::vector<double>>();
  command
      ->add_option("model", options->request.model,
                   "Directory with a config.json, or a published size: qwen2.5-7b, 7b "
                   "(0.5b, 1.5b, 3b, 7b, 14b, 32b, 72b)")
      ->type_name("MODEL");
  command
      ->add_option("--compare", options->claims,
                   "Instead of a plan: the tables of a JSON file that somebody claims, beside what "
                   "is simulated, and why they differ (bench/plan/claims.json)")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  add_hardware_flags(command, *options);
  add_load_flags(command, *options, *concurrency, *rates);
  add_model_flags(command, options->request.engine);
  add_engine_flags(command, options->request.engine);
  add_time(command, "--ttft-slo", options->ttft_slo, "99 of 100 first tokens must come within it");
  command
      ->add_option("--json", options->json,
                   "Write the plan as JSON, too; - : to standard output, instead of the text")
      ->type_name("FILE");
  command->callback([options, concurrency, rates, &status] {
    set_rows(options->request, *concurrency, *rates);
    status = run_plan(*options, std::cout, std::cerr);
  });
}

}  // namespace troupe
