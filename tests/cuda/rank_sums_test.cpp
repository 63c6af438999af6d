// Sums over ranks: the same bits on every rank, those of a sum in rank order.
#include <doctest/doctest.h>

#include <memory>

#include "cuda/device_array.hpp"
#include "simt/machine.hpp"

namespace troupe::cuda {
namespace {

// In rank order, in float32, rounded once.
std::vector<bf16> sum_of(const std::vector<std::vector<float>>& ranks) {
  std::vector<float> sum(ranks[0].size());
  for (const auto& rank : ranks) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += rank[i];
  }
  return to_bf16(sum);
}

std::vector<std::vector<float>> draw_ranks(std::uint32_t num_ranks, std::size_t count,
                                           unsigned seed) {
  std::vector<std::vector<float>> ranks;
  for (std::uint32_t r = 0; r < num_ranks; ++r) {
    // Of different scales: the order of the sum shows.
    const float scale = r % 2 == 0 ? 100.0F : 0.3F;
    ranks.push_back(random_rounded(count, seed + r, scale));
  }
  return ranks;
}

bool is_equal(std::span<const bf16> a, std::span<const bf16> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

using array_list = std::vector<std::unique_ptr<device_array<bf16>>>;

array_list make_arrays(const std::vector<std::vector<float>>& values) {
  array_list arrays;
  for (const auto& v : values) {
    arrays.push_back(std::make_unique<device_array<bf16>>(to_bf16(v)));
  }
  return arrays;
}

TEST_CASE("sum_ranks gives every rank the sum in rank order") {
  for (std::uint32_t num_ranks = 1; num_ranks <= max_ranks; ++num_ranks) {
    CAPTURE(num_ranks);
    for (const std::size_t count : {std::size_t{8}, std::size_t{896}, std::size_t{5 * 3584}}) {
      const auto values = draw_ranks(num_ranks, count, num_ranks);
      const array_list ranks = make_arrays(values);
      sum_ranks_args args;
      for (std::uint32_t r = 0; r < num_ranks; ++r) args.ranks[r] = ranks[r]->data();
      args.num_ranks = num_ranks;
      args.count = count;
      REQUIRE(is_fine(sum_ranks(args, nullptr)));
      const auto expected = sum_of(values);
      for (const auto& rank : ranks) {
        CHECK(rank->is_whole());
        CHECK(is_equal(rank->values(), expected));
      }
    }
  }
}

// Ranks that reduce together, call after call, as one device each would.
class peer_group {
 public:
  peer_group(std::uint32_t num_ranks, std::uint32_t max_rows, std::uint32_t width)
      : num_ranks_(num_ranks), width_(width), staging_elements_(std::size_t{max_rows} * width) {
    for (std::uint32_t r = 0; r < num_ranks; ++r) {
      staging_.push_back(std::make_unique<device_array<bf16>>(2 * staging_elements_));
      const std::vector<std::uint32_t> zeros(max_ranks * max_peer_blocks);
      arrivals_.push_back(std::make_unique<device_array<std::uint32_t>>(zeros));
      epochs_.push_back(std::make_unique<device_array<std::uint32_t>>(
          std::vector<std::uint32_t>(max_peer_blocks)));
      memory_.staging[r] = staging_[r]->data();
      memory_.arrivals[r] = arrivals_[r]->data();
    }
  }

  // What is the same for every call of this rank.
  peer_all_reduce_args args(std::uint32_t rank) {
    peer_all_reduce_args args;
    args.peers = memory_;
    args.num_ranks = num_ranks_;
    args.rank = rank;
    args.epochs = epochs_[rank]->data();
    args.staging_elements = staging_elements_;
    args.width = width_;
    return args;
  }

  // The first elements of a rank's staging memory.
  std::span<const bf16> staged(std::uint32_t rank, std::size_t count) {
    return staging_[rank]->values().first(count);
  }

  bool is_whole() const {
    for (std::uint32_t r = 0; r < num_ranks_; ++r) {
      if (!staging_[r]->is_whole() || !arrivals_[r]->is_whole() || !epochs_[r]->is_whole()) {
        return false;
      }
    }
    return true;
  }

 private:
  std::uint32_t num_ranks_;
  std::uint32_t width_;
  std::size_t staging_elements_;
  peer_memory memory_;
  array_list staging_;
  std::vector<std::unique_ptr<device_array<std::uint32_t>>> arrivals_;
  std::vector<std::unique_ptr<device_array<std::uint32_t>>> epochs_;
};

// One call on every rank, whose buffers become the sum.
void reduce_together(peer_group& peers, const array_list& ranks, std::uint32_t num_rows,
                     peer_shots shots) {
  const bool is_done = simt::run_together([&] {
    for (std::uint32_t r = 0; r < ranks.size(); ++r) {
      peer_all_reduce_args args = peers.args(r);
      args.addend = args.x = ranks[r]->data();
      args.num_rows = num_rows;
      args.shots = shots;
      CHECK(peer_all_reduce(args, nullptr) == launch_error::none);
    }
  });
  REQUIRE_MESSAGE(is_done, simt::last_fault());
  CHECK(peers.is_whole());
}

TEST_CASE("peer_all_reduce gives every rank the sum in rank order, call after call") {
  for (const std::uint32_t num_ranks : {1U, 2U, 3U, 4U, 8U}) {
    CAPTURE(num_ranks);
    constexpr std::uint32_t width = 64;
    peer_group peers(num_ranks, 80, width);
    unsigned seed = num_ranks;
    int call = 0;
    for (const std::uint32_t num_rows : {3U, 1U, 5U, 2U, 40U, 40U, 7U, 4U, 33U, 80U, 1U}) {
      CAPTURE(num_rows);
      const auto values = draw_ranks(num_ranks, std::size_t{num_rows} * width, seed += 10);
      const array_list ranks = make_arrays(values);
      // Both ways, one after the other and each after itself.
      reduce_together(peers, ranks, num_rows, call++ % 3 == 0 ? peer_shots::one : peer_shots::two);
      const auto expected = sum_of(values);
      for (const auto& rank : ranks) CHECK(is_equal(rank->values(), expected));
    }
  }
}

TEST_CASE("peer_all_reduce takes two shots for long messages of many ranks") {
  constexpr std::uint32_t width = 64;
  constexpr std::uint32_t num_rows = 2080;  // 260 KiB
  static_assert(std::uint64_t{num_rows} * width * sizeof(bf16) > one_shot_bytes);
  for (const std::uint32_t num_ranks : {2U, 4U}) {
    peer_group peers(num_ranks, num_rows, width);
    const auto values = draw_ranks(num_ranks, std::size_t{num_rows} * width, num_ranks);
    const array_list ranks = make_arrays(values);
    reduce_together(peers, ranks, num_rows, peer_shots::by_size);
    const auto expected = sum_of(values);
    for (const auto& rank : ranks) CHECK(is_equal(rank->values(), expected));
    // Two shots leave sums in the staging memory, one shot what each rank brought.
    CHECK(is_equal(peers.staged(0, width), std::span(expected).first(width)) == (num_ranks > 2));
  }
}

TEST_CASE("A peer that never comes is waited for until the group is abandoned") {
  constexpr std::uint32_t width = 64;
  for (const peer_shots shots : {peer_shots::one, peer_shots::two}) {
    for (const std::uint32_t word : {0U, 1U}) {
      peer_group peers(2, 40, width);
      device_array<std::uint32_t> abandoned(std::vector<std::uint32_t>{word});
      const array_list mine = make_arrays(draw_ranks(1, 40 * width, 1));
      peer_all_reduce_args args = peers.args(0);
      args.abandoned = abandoned.data();
      args.addend = args.x = mine[0]->data();
      args.num_rows = 40;
      args.shots = shots;
      const bool is_done = peer_all_reduce(args, nullptr) == launch_error::none;
      CHECK(is_done == (word != 0));
      CHECK((peers.is_whole() && mine[0]->is_whole()));
    }
  }
}

TEST_CASE("peer_all_reduce leaves alone what the call before staged, which peers may still read") {
  constexpr std::uint32_t width = 64;
  for (const peer_shots shots : {peer_shots::one, peer_shots::two}) {
    peer_group peers(4, 1, width);
    std::vector<bf16> before;
    for (unsigned call = 0; call < 4; ++call) {
      const array_list ranks = make_arrays(draw_ranks(4, width, call));
      reduce_together(peers, ranks, 1, shots);
      const auto staged = peers.staged(1, 2 * width);
      const auto left = staged.subspan((call + 1) % 2 * width, width);
      if (call > 0) CHECK(is_equal(left, before));
      const auto now = staged.subspan(call % 2 * width, width);
      before.assign(now.begin(), now.end());
    }
  }
}

struct fused_case {
  std::uint32_t num_ranks;
  std::uint32_t width;
  std::uint32_t num_rows;
  peer_shots shots;
};

void check_fused(const fused_case& c) {
  CAPTURE(c.num_ranks);
  CAPTURE(c.width);
  CAPTURE(c.num_rows);
  const std::size_t size = std::size_t{c.num_rows} * c.width;
  peer_group peers(c.num_ranks, c.num_rows, c.width);
  const auto values = draw_ranks(c.num_ranks, size, c.width);
  const auto residual = to_bf16(random_rounded(size, 1, 50.0F));
  device_array<float> weight(random_floats(c.width, 2));
  device_array<bf16> sum(sum_of(values));
  device_array<bf16> expected_residual(residual);
  device_array<bf16> expected(size);
  REQUIRE(is_fine(add_rms_norm({sum.data(), expected_residual.data(), weight.data(), nullptr,
                                expected.data(), c.num_rows, c.width, 1e-6F},
                               nullptr)));
  const array_list addends = make_arrays(values);
  array_list residuals;
  array_list normed;
  for (std::uint32_t r = 0; r < c.num_ranks; ++r) {
    residuals.push_back(std::make_unique<device_array<bf16>>(residual));
    normed.push_back(std::make_unique<device_array<bf16>>(size));
  }
  const bool is_done = simt::run_together([&] {
    for (std::uint32_t r = 0; r < c.num_ranks; ++r) {
      peer_all_reduce_args args = peers.args(r);
      args.addend = addends[r]->data();
      args.residual = residuals[r]->data();
      args.weight = weight.data();
      args.normed = normed[r]->data();
      args.eps = 1e-6F;
      args.num_rows = c.num_rows;
      args.shots = c.shots;
      CHECK(peer_all_reduce(args, nullptr) == launch_error::none);
    }
  });
  REQUIRE_MESSAGE(is_done, simt::last_fault());
  for (std::uint32_t r = 0; r < c.num_ranks; ++r) {
    CHECK(is_equal(residuals[r]->values(), expected_residual.values()));
    CHECK(is_equal(normed[r]->values(), expected.values()));
    CHECK((residuals[r]->is_whole() && normed[r]->is_whole()));
    CHECK(is_equal(addends[r]->values(), to_bf16(values[r])));
  }
}

TEST_CASE("peer_all_reduce with a residual is the sum, then add_rms_norm, bit for bit") {
  for (const peer_shots shots : {peer_shots::one, peer_shots::two}) {
    for (const std::uint32_t num_ranks : {2U, 4U, 8U}) {
      check_fused({num_ranks, 64, 3, shots});
      check_fused({num_ranks, 264, 37, shots});
    }
    check_fused({4, 896, 3, shots});
  }
}

TEST_CASE("Sums over ranks refuse what they cannot do") {
  CHECK(sum_ranks({{}, 9, 8}, nullptr) == launch_error::invalid_value);
  CHECK(sum_ranks({{}, 2, 12}, nullptr) == launch_error::invalid_value);
  peer_group peers(2, 1, 64);
  peer_all_reduce_args args = peers.args(1);
  args.num_rows = 2;  // more than the staging memory has
  CHECK(peer_all_reduce(args, nullptr) == launch_error::invalid_value);
  args.num_rows = 1;
  args.rank = 2;
  CHECK(peer_all_reduce(args, nullptr) == launch_error::invalid_value);
}

}  // namespace
}  // namespace troupe::cuda
