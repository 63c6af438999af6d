// The model in double precision, as its paper has it, one row after the other: what the device is
// held against, in one chunk, in several, and token by token.
#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>

#include "gpu/engine.hpp"
#include "gpu/loaded_engine.hpp"
#include "model/convert.hpp"
#include "model/integer_groups.hpp"
#include "model/rope.hpp"

namespace troupe::bench {
namespace {

using row = std::vector<double>;

row to_doubles(const host_tensor& tensor) {
  const std::vector<float> values = to_floats(tensor);
  return {values.begin(), values.end()};
}

// As int8 and their scales say them: the nearest of 255 steps of each 128 neighbours.
void round_to_steps(row& weights, std::size_t in_features) {
  for (std::size_t first = 0; first < weights.size(); first += in_features) {
    for (std::size_t at = 0; at < in_features; at += group_size) {
      const auto group = std::span(weights).subspan(
          first + at, std::min<std::size_t>(group_size, in_features - at));
      double largest = 0;
      for (const double x : group) largest = std::max(largest, std::abs(x));
      const double step = to_float(to_float16(static_cast<float>(largest) / 127));
      for (double& x : group) x = step > 0 ? std::nearbyint(x / step) * step : 0;
    }
  }
}

row multiply(const row& x, const row& w, const host_tensor* bias) {
  row out = bias != nullptr ? to_doubles(*bias) : row(w.size() / x.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::size_t k = 0; k < x.size(); ++k) out[i] += w[i * x.size() + k] * x[k];
  }
  return out;
}

row normed(const row& x, const host_tensor& weights, double eps) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  row out = to_doubles(weights);
  for (std::size_t i = 0; i < x.size(); ++i) out[i] *= x[i] * scale;
  return out;
}

void add(row& x, const row& addend) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += addend[i];
}

// Keys and values of one layer, by position.
struct layer_cache {
  std::vector<row> keys;
  std::vector<row> values;
};

// As a byte says it: three digits behind the first, steps of 2^-9 below 2^-6.
double to_e4m3(double x) {
  const int exponent = std::max(std::ilogb(std::max(std::abs(x), 0x1p-6)), -6);
  return std::ldexp(std::nearbyint(std::ldexp(x, 3 - exponent)), exponent - 3);
}

// As a head's bytes and their exponent say them (cuda/kv_format.hpp).
void round_head(double* head, std::size_t dim) {
  double largest = 0;
  for (std::size_t i = 0; i < dim; ++i) largest = std::max(largest, std::abs(head[i]));
  int power = -100;
  while (largest > std::ldexp(448.0, power)) ++power;
  for (std::size_t i = 0; i < dim; ++i) {
    head[i] = std::ldexp(to_e4m3(std::ldexp(head[i], -power)), power);
  }
}

class reference {
 public:
  reference(const model_config& config, const model_weights& weights, const engine_options& options)
      : config_(config),
        weights_(weights),
        has_byte_pages_(options.has_byte_pages),
        has_byte_weights_(options.has_byte_weights),
        ropes_(make_rope_table(config, rope_kind::plain, 1024)),
        caches_(config.num_hidden_layers) {}

  // The next position's logits.
  row next(token_id token) {
    const row table = matrix_of(weights_.embedding, config_.hidden_size);
    const auto first = table.begin() + static_cast<std::ptrdiff_t>(token) * config_.hidden_size;
    row x(first, first + config_.hidden_size);
    for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
      const layer_weights& layer = weights_.layers[i];
      add(x, times(attend(layer, caches_[i], normed(x, layer.input_norm, eps())), layer.o));
      add(x, feed_forward(layer, normed(x, layer.post_attention_norm, eps())));
    }
    ++position_;
    return times(normed(x, weights_.final_norm, eps()), weights_.lm_head);
  }

 private:
  row matrix_of(const host_tensor& weights, std::size_t in_features) const {
    row out = to_doubles(weights);
    if (has_byte_weights_) round_to_steps(out, in_features);
    return out;
  }

  row times(const row& x, const host_tensor& weights, const host_tensor* bias = nullptr) const {
    return multiply(x, matrix_of(weights, x.size()), bias);
  }

  double eps() const { return config_.rms_norm_eps; }

  void rotate(row& heads) const {
    const std::size_t half = config_.head_dim / 2;
    for (std::size_t h = 0; h < heads.size(); h += config_.head_dim) {
      for (std::size_t i = 0; i < half; ++i) {
        const double cos = ropes_.cos[position_ * half + i];
        const double sin = ropes_.sin[position_ * half + i];
        const double a = heads[h + i];
        const double b = heads[h + i + half];
        heads[h + i] = a * cos - b * sin;
        heads[h + i + half] = b * cos + a * sin;
      }
    }
  }

  row attend(const layer_weights& layer, layer_cache& cache, const row& x) const {
    row queries = times(x, layer.q, &layer.q_bias);
    cache.keys.push_back(times(x, layer.k, &layer.k_bias));
    cache.values.push_back(times(x, layer.v, &layer.v_bias));
    rotate(queries);
    rotate(cache.keys.back());
    const std::size_t dim = config_.head_dim;
    for (std::size_t h = 0; has_byte_pages_ && h < cache.keys.back().size(); h += dim) {
      round_head(&cache.keys.back()[h], dim);
      round_head(&cache.values.back()[h], dim);
    }
    const std::size_t group = config_.num_attention_heads / config_.num_key_value_heads;
    row out(queries.size());
    for (std::size_t h = 0; h < config_.num_attention_heads; ++h) {
      const std::size_t kv = h / group * dim;
      row chances;
      for (const row& key : cache.keys) {
        double score = 0;
        for (std::size_t i = 0; i < dim; ++i) score += queries[h * dim + i] * key[kv + i];
        chances.push_back(std::exp(score / std::sqrt(static_cast<double>(dim))));
      }
      double total = 0;
      for (const double chance : chances) total += chance;
      for (std::size_t p = 0; p < chances.size(); ++p) {
        for (std::size_t i = 0; i < dim; ++i) {
          out[h * dim + i] += chances[p] / total * cache.values[p][kv + i];
        }
      }
    }
    return out;
  }

  row feed_forward(const layer_weights& layer, const row& x) const {
    row gate = times(x, layer.gate);
    const row up = times(x, layer.up);
    for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
    return times(gate, layer.down);
  }

  model_config config_;
  const model_weights& weights_;
  bool has_byte_pages_;
  bool has_byte_weights_;
  rope_table ropes_;
  std::vector<layer_cache> caches_;
  std::size_t position_ = 0;
};

double distance(const std::vector<float>& got, const row& wanted) {
  double largest = 0;
  double apart = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::abs(wanted[i]));
    const double one = std::abs(got.at(i) - wanted[i]);
    apart = std::isnan(one) ? INFINITY : std::max(apart, one);
  }
  return apart / largest;
}

}  // namespace

void check_against_float64(const engine_options& options) {
  constexpr std::uint32_t num_tokens = 20;
  // Two layers of bfloat16; where that decides which byte is nearer, the byte is another one.
  const double tolerance = options.has_byte_pages ? 5e-2 : 2e-2;
  const std::string formats = std::string(options.has_byte_pages ? ", fp8 KV" : "") +
                              (options.has_byte_weights ? ", int8 weights" : "") +
                              (options.has_wgmma_prefill ? ", wgmma prefill" : "");
  bool is_fine = true;
  for (const char* shape : {"tiny", "tiny128"}) {
    engine_options one = options;
    one.shape = shape;
    loaded_engine target(one);
    const model_weights weights = value_of(make_dummy_weights(target.config(), 1));
    reference truth(target.config(), weights, options);
    const auto tokens = prompt_for(target.config(), num_tokens);
    row wanted;
    for (const token_id token : tokens) {
      const row logits = truth.next(token);
      wanted.insert(wanted.end(), logits.begin(), logits.end());
    }
    for (const std::uint32_t chunk : {num_tokens, 11U, 1U}) {
      const double apart = distance(logits_in_chunks(target, tokens, chunk), wanted);
      is_fine = is_fine && apart < tolerance;
      print_row({"float64", shape + formats, std::to_string(options.tp_size) + " ranks",
                 "chunks of " + std::to_string(chunk), number(apart, 5)});
    }
  }
  if (!is_fine)
    throw std::runtime_error("the device is further from float64 than its formats may be");
}

}  // namespace troupe::bench
