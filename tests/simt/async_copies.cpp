#include "simt/async_copies.hpp"

#include <algorithm>
#include <cstring>

#include "simt/engines.hpp"

namespace simt {
namespace {

constexpr std::uint32_t row_bytes = 128;       // of a box
constexpr std::uint32_t pattern_bytes = 1024;  // eight rows
constexpr unsigned all_registers = 65536;

std::uint32_t box_bytes(const tensor_map& map) { return map.box_rows * row_bytes; }

}  // namespace

void memory_barrier::settle() {
  if (missing != 0 || bytes != 0) return;
  missing = arrivals;
  ++num_phases;
}

engines::engines() : seen(shared_bytes(), std::byte{0xFF}), memory_(shared_memory()) {
  constexpr std::array<unsigned, 4> slowness{0, 1, 8, 40};
  slowness_ = slowness[random_below(slowness.size())];
  const dim3& size = block_size();
  const unsigned warps = (size.x * size.y * size.z + warp_size - 1) / warp_size;
  // As many as each thread may have, in steps of 8.
  registers_.assign(warps, std::min(255U, all_registers / (warps * warp_size) / 8 * 8));
  // Some warps have their products at once, some only when they wait for them.
  constexpr std::array<unsigned, 4> laziness{0, 1, 8, 1U << 30U};
  products.resize(warps);
  for (warp_products& each : products) {
    each.memory = &seen;
    each.laziness = laziness[random_below(laziness.size())];
  }
}

bool engines::advance() {
  const std::size_t num_copies = copies.size();
  for (std::size_t i = copies.size(); i-- > 0;) {
    if (random_below(slowness_ + 1) != 0) continue;
    land(copies[i]);
    copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (warp_products& each : products) {
    each.compute_perhaps();
  }
  return copies.size() < num_copies;
}

const char* engines::finish() {
  if (!copies.empty()) return "a block that ended before its copies";
  for (const thread_barrier& each : named) {
    if (each.num_here != 0) return "a barrier that some threads came to at the end of their block";
  }
  for (std::size_t warp = 0; warp < products.size(); ++warp) {
    if (!products[warp].is_idle()) return "a warp that ended before its multiplications";
    const std::size_t leader = warp / warps_per_group * warps_per_group;
    if (products[warp].products().size() != products[leader].products().size()) {
      return "a multiplication that some warps of a warpgroup did not do";
    }
    if (registers_[warp] != registers_[leader]) {
      return "registers that some warps of a warpgroup did not change";
    }
  }
  return nullptr;
}

void engines::land(const copy_under_way& copy) {
  const tensor_map& map = copy.map;
  for (std::uint32_t row = 0; row < map.box_rows; ++row) {
    for (std::uint32_t chunk = 0; chunk < row_bytes / 16; ++chunk) {
      std::array<std::byte, 16> bytes{};
      const std::uint32_t column = copy.column + chunk * 8;
      if (copy.row + row < map.num_rows && column < map.columns) {
        std::memcpy(bytes.data(),
                    map.rows + ((copy.row + std::uint64_t{row}) * map.columns + column) * 2, 16);
      }
      std::uint32_t place = copy.target + row * row_bytes + chunk * 16;
      place ^= (place >> 7U & 7U) << 4U;
      std::copy(bytes.begin(), bytes.end(), memory_ + place);
      std::copy(bytes.begin(), bytes.end(), seen.begin() + place);
    }
  }
  memory_barrier& barrier = barriers.at(copy.barrier);
  barrier.bytes -= box_bytes(map);
  barrier.settle();
}

memory_barrier& engines::barrier_at(std::uint32_t address) {
  const auto found = barriers.find(address);
  if (found == barriers.end()) fault("a barrier that nobody has made");
  return found->second;
}

void engines::take_registers(unsigned warp, unsigned registers, bool grows) {
  unsigned& mine = registers_[warp];
  if (registers % 8 != 0 || registers < 24 || registers > 256) fault("so many registers");
  if (grows ? registers < mine : registers > mine) fault("registers that go the other way");
  if (!grows) {
    free_registers_ += (mine - registers) * warp_size;
  } else {
    while (free_registers_ < (registers - mine) * warp_size) let_others_run();
    free_registers_ -= (registers - mine) * warp_size;
  }
  mine = registers;
}

engines& engines_of_block() {
  return static_cast<engines&>(
      unit_of_block([]() -> std::unique_ptr<block_unit> { return std::make_unique<engines>(); }));
}

void copy_box(std::uint32_t target, const tensor_map& map, std::uint32_t column, std::uint32_t row,
              std::uint32_t barrier) {
  engines& all = engines_of_block();
  if (!all.barrier_at(barrier).is_shown) fault("a barrier that copies do not know yet");
  if (reinterpret_cast<std::uintptr_t>(map.rows) % 16 != 0 || map.columns % 8 != 0) {
    fault("a tensor that is not aligned");
  }
  if (target % pattern_bytes != 0) fault("a box that begins within a pattern");
  if (target + box_bytes(map) > all.seen.size()) fault("a box past the end of shared memory");
  std::memset(shared_memory() + target, 0xFF, box_bytes(map));
  std::memset(all.seen.data() + target, 0xFF, box_bytes(map));
  all.copies.push_back({target, map, column, row, barrier});
}

void make_barrier(std::uint32_t barrier, std::uint32_t arrivals) {
  shared_at(barrier, sizeof(std::uint64_t));
  if (arrivals == 0) fault("a barrier that awaits nobody");
  engines_of_block().barriers[barrier] = {.arrivals = arrivals, .missing = arrivals};
}

void arrive_at(std::uint32_t barrier, std::uint32_t expected_bytes) {
  memory_barrier& at = engines_of_block().barrier_at(barrier);
  if (at.missing == 0) fault("more arrivals than a barrier awaits");
  at.bytes += expected_bytes;
  --at.missing;
  at.settle();
  // Who waited may be far ahead before this thread goes on.
  if (random_below(8) != 0) return;
  for (std::uint32_t left = random_below(64); left > 0; --left) let_others_run();
}

bool has_passed(std::uint32_t barrier, std::uint32_t parity) {
  return engines_of_block().barrier_at(barrier).num_phases % 2 != parity;
}

void show_to_engines(unsigned site) {
  reveal_copies();
  const int nothing = 0;
  const warp_instruction show = [](const lane_inputs&, const lane_outputs&) {
    engines& all = engines_of_block();
    std::memcpy(all.seen.data(), shared_memory(), all.seen.size());
    for (auto& [address, barrier] : all.barriers) barrier.is_shown = true;
  };
  warp_execute(show, site, ~0U, &nothing, nullptr);
}

void named_barrier(unsigned number, unsigned threads, bool waits) {
  reveal_copies();
  if (number == 0 || number > 15 || threads % warp_size != 0) fault("such a barrier");
  thread_barrier& at = engines_of_block().named[number];
  if (at.num_here > 0 && at.threads != threads) fault("a barrier of another number of threads");
  at.threads = threads;
  const std::uint64_t phase = at.num_phases;
  if (++at.num_here == threads) {
    at.num_here = 0;
    ++at.num_phases;
  }
  while (waits && at.num_phases == phase) let_others_run();
}

void set_registers(unsigned site, unsigned registers, bool grows) {
  warp_barrier(site, ~0U);
  if (lane_index() == 0) engines_of_block().take_registers(warp_index(), registers, grows);
  warp_barrier(site, ~0U);
}

}  // namespace simt
