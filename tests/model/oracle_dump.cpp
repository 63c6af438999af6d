// Prints numbers that oracle.py computes a second time: the seeded weights' first elements and rope
// tables at chosen positions. One number per line; floats as hexadecimal bits.
#include "model/dummy_weights.hpp"
#include "model/rope.hpp"

#include <bit>
#include <cstdint>
#include <cstdio>
#include <initializer_list>

using namespace troupe;

namespace {

void dump_weights(std::uint64_t seed, const char* name) {
  const std::uint64_t key = dummy_key(seed, name);
  for (std::uint64_t i : {0ULL, 1ULL, 2ULL, 1000ULL, 544'997'375ULL, (1ULL << 33U) + 7}) {
    std::printf("weight %llu %s %llu %04x\n", static_cast<unsigned long long>(seed), name,
                static_cast<unsigned long long>(i), unsigned{dummy_element(key, i).bits});
  }
}

void dump_rope(std::uint32_t head_dim, rope_kind kind, bool truncate) {
  model_config config;
  config.head_dim = head_dim;
  config.rope_theta = 1e6;
  config.yarn = yarn_scaling{4.0, 32768, 32.0, 1.0, std::nullopt, truncate};
  const char* name = kind == rope_kind::plain ? "plain" : truncate ? "yarn" : "yarn_untruncated";
  const rope_table table = make_rope_table(config, kind, 131072);
  for (std::uint32_t position : {0U, 1U, 17U, 4095U, 32768U, 100'000U, 131'071U}) {
    for (std::uint32_t i = 0; i < table.half_dim; ++i) {
      const std::size_t at = std::size_t{position} * table.half_dim + i;
      std::printf("rope %s %u %u %u %08x %08x\n", name, head_dim, position, i,
                  std::bit_cast<std::uint32_t>(table.cos[at]),
                  std::bit_cast<std::uint32_t>(table.sin[at]));
    }
  }
}

}  // namespace

int main() {
  for (std::uint64_t seed : {0ULL, 1ULL, ~0ULL}) {
    dump_weights(seed, "model.embed_tokens.weight");
    dump_weights(seed, "model.layers.27.self_attn.q_proj.bias");
  }
  for (std::uint32_t head_dim : {64U, 128U}) {
    dump_rope(head_dim, rope_kind::plain, true);
    dump_rope(head_dim, rope_kind::scaled, true);
    dump_rope(head_dim, rope_kind::scaled, false);
  }
}
