#include "cli/score.hpp"

#include "cli/loading_guard.hpp"
#include "cpu/cpu_runner.hpp"
#include "engine/machine.hpp"
#include "model/token_choice.hpp"
#include "text/json.hpp"

#include <algorithm>
#include <future>
#include <istream>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>

namespace troupe {
namespace {

constexpr std::uint32_t max_context = 32768;  // tokens of a line, generated ones included
constexpr std::uint32_t max_greedy = 4096;
constexpr std::uint32_t rows_per_step = 64;
constexpr std::uint32_t num_top_logits = 16;

failure refuse(std::string message) {
  return {error_code::invalid_argument, std::move(message), "ids"};
}

std::uint32_t choose_threads(const score_options& options) {
  if (options.num_threads > 0) return options.num_threads;
  const std::uint32_t cores = count_cores();
  return std::max(1U, cores / std::max(1U, options.tensor_parallel_size));
}

cpu_runner_options runner_options(const model_config& config, const score_options& options) {
  cpu_runner_options out;
  out.type = options.type;
  out.tp_size = options.tensor_parallel_size;
  out.threads.num_threads = choose_threads(options);
  out.max_num_seqs = 1;
  out.max_num_batched_tokens = rows_per_step;
  out.max_num_logit_rows = rows_per_step;
  out.max_model_len = std::min(config.max_context(), max_context);
  out.num_pages = (out.max_model_len + page_size_tokens - 1) / page_size_tokens;
  return out;
}

json_value numbers(const std::vector<double>& values) {
  json_array out;
  for (double value : values) out.emplace_back(value);
  return out;
}

// The answers for one line, position by position.
struct scores {
  json_array argmax;
  std::vector<double> lse;
  json_array top_ids;
  json_array top_logits;
  json_array greedy;

  void add_row(std::span<const float> logits) {
    argmax.emplace_back(std::int64_t{most_likely(logits)});
    lse.push_back(log_sum_exp(logits));
    json_array ids;
    json_array values;
    for (const token_logprob& top : highest_logits(logits, num_top_logits)) {
      ids.emplace_back(std::int64_t{top.token});
      values.emplace_back(double{top.logprob});
    }
    top_ids.emplace_back(std::move(ids));
    top_logits.emplace_back(std::move(values));
  }

  std::string to_json() && {
    json_object object;
    object.emplace_back("argmax", std::move(argmax));
    object.emplace_back("lse", numbers(lse));
    object.emplace_back("top_ids", std::move(top_ids));
    object.emplace_back("top_logits", std::move(top_logits));
    object.emplace_back("greedy", std::move(greedy));
    std::string out;
    append_json(out, std::move(object));
    return out;
  }
};

// One sequence in slot 0 on pages 0, 1, ...; every line starts anew.
class scorer {
 public:
  scorer(const std::shared_ptr<const cpu_model>& model, const model_config& config,
         const score_options& options)
      : ranks_(make_model_runners(model)),
        vocab_size_(config.vocab_size),
        max_len_(runner_options(config, options).max_model_len),
        num_greedy_(options.num_greedy) {}

  outcome<std::string> score_line(const std::string& line) {
    auto ids = parse_ids(line);
    if (!ids) return ids.error();
    return score(*ids);
  }

 private:
  outcome<std::vector<token_id>> parse_ids(const std::string& line) const {
    auto parsed = parse_json(line);
    if (!parsed) return parsed.error();
    const json_value* member = parsed->find("ids");
    const json_array* array = member != nullptr ? member->as_array() : nullptr;
    if (array == nullptr) return refuse("A line needs \"ids\", an array of token ids.");
    if (array->empty()) return refuse("\"ids\" is empty; at least one token id is needed.");
    if (array->size() + num_greedy_ > max_len_) {
      return refuse("\"ids\" has " + std::to_string(array->size()) + " token ids, which with " +
                    std::to_string(num_greedy_) + " generated ones exceed the context of " +
                    std::to_string(max_len_) + ".");
    }
    std::vector<token_id> ids;
    for (const json_value& value : *array) {
      const std::int64_t* id = value.as_int();
      if (id == nullptr || *id < 0 || *id >= vocab_size_) {
        return refuse("\"ids\"[" + std::to_string(ids.size()) +
                      "] is not a token id: an integer from 0 to " +
                      std::to_string(vocab_size_ - 1) + " is needed.");
      }
      ids.push_back(static_cast<token_id>(*id));
    }
    return ids;
  }

  std::string score(const std::vector<token_id>& ids) {
    scores out;
    num_done_ = 0;
    std::vector<float> logits;
    for (std::size_t first = 0; first < ids.size(); first += rows_per_step) {
      const std::size_t count = std::min<std::size_t>(rows_per_step, ids.size() - first);
      logits = run_rows(std::span(ids).subspan(first, count));
      for (std::size_t row = 0; row < count; ++row) {
        out.add_row(std::span(logits).subspan(row * vocab_size_, vocab_size_));
      }
    }
    token_id next = most_likely(std::span(logits).last(vocab_size_));
    for (std::uint32_t i = 0; i < num_greedy_; ++i) {
      out.greedy.emplace_back(std::int64_t{next});
      if (i + 1 < num_greedy_) next = most_likely(run_rows({&next, 1}));
    }
    return std::move(out).to_json();
  }

  // The next positions of the sequence: rank 0's logits of every row.
  std::vector<float> run_rows(std::span<const token_id> tokens) {
    step_batch batch;
    // A model with YaRN always runs with it, as Hugging Face does; without it `scaled` is plain.
    if (num_done_ == 0) batch.starts.push_back({.rope = rope_kind::scaled});
    const auto count = static_cast<std::uint32_t>(tokens.size());
    const std::uint32_t num_pages = (num_done_ + count - 1) / page_size_tokens + 1;
    batch.chunks.push_back({0, 0, count, num_done_, 0, num_pages, false});
    batch.tokens.assign(tokens.begin(), tokens.end());
    batch.page_table.resize(num_pages);
    std::iota(batch.page_table.begin(), batch.page_table.end(), 0U);
    num_done_ += count;
    std::vector<std::future<std::vector<float>>> others;
    for (std::size_t r = 1; r < ranks_.size(); ++r) {
      others.push_back(
          std::async(std::launch::async, [&, r] { return ranks_[r]->run_for_logits(batch); }));
    }
    auto logits = ranks_.front()->run_for_logits(batch);
    for (auto& other : others) other.get();
    return logits;
  }

  std::vector<std::unique_ptr<model_runner>> ranks_;
  std::uint32_t vocab_size_;
  std::uint32_t max_len_;
  std::uint32_t num_greedy_;
  std::uint32_t num_done_ = 0;  // positions of the line computed so far
};

outcome<std::unique_ptr<scorer>> load_scorer(const std::filesystem::path& model_dir,
                                             const score_options& options) {
  if (options.num_greedy > max_greedy) {
    return failure{error_code::invalid_argument,
                   "At most " + std::to_string(max_greedy) + " greedy tokens can be asked for.",
                   "greedy"};
  }
  loading_guard guard(model_dir);
  auto config = read_model_config(model_dir);
  if (!config) return config.error();
  auto format = choose_weight_format(options.weights, *config);
  if (!format) return format.error();
  auto weights = load_weights(model_dir, *config);
  if (!weights) return weights.error();
  cpu_runner_options runner = runner_options(*config, options);
  runner.weights = *format;
  auto model = load_cpu_model(*config, *weights, runner);
  if (!model) return model.error();
  return std::make_unique<scorer>(*model, *config, options);
}

void score_lines(scorer& target, std::istream& in, std::ostream& out) {
  std::string line;
  while (std::getline(in, line)) {
    auto answer = target.score_line(line);
    if (answer) {
      out << *answer << '\n' << std::flush;
      continue;
    }
    json_object object;
    object.emplace_back("error", answer.error().message);
    std::string text;
    append_json(text, std::move(object));
    out << text << '\n' << std::flush;
  }
}

}  // namespace

int run_score(const std::filesystem::path& model_dir, const score_options& options,
              std::istream& in, std::ostream& out, std::ostream& err) {
  try {
    auto target = load_scorer(model_dir, options);
    if (!target) {
      err << target.error().message << '\n';
      return 1;
    }
    score_lines(**target, in, out);
    return 0;
  } catch (const device_error& e) {
    err << e.what() << '\n';
  } catch (const std::bad_alloc&) {
    err << "The memory does not hold the KV pages and activations.\n";
  }
  return 1;
}

}  // namespace troupe
