// What works beside the threads of an emulated block of sm_90a: the engine that copies boxes, the
// tensor cores, and the counters that threads meet at.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "simt/async_copies.hpp"
#include "simt/async_products.hpp"
#include "simt/machine.hpp"

namespace simt {

inline constexpr unsigned warps_per_group = 4;

// A barrier in shared memory.
struct memory_barrier {
  std::uint32_t arrivals = 0;
  std::uint32_t missing = 0;  // of this phase
  std::int64_t bytes = 0;     // expected and not there
  std::uint64_t num_phases = 0;
  bool is_shown = false;  // to engines

  void settle();  // ends the phase if nothing is missing
};

struct thread_barrier {
  unsigned threads = 0;
  unsigned num_here = 0;
  std::uint64_t num_phases = 0;
};

struct copy_under_way {
  std::uint32_t target = 0;
  tensor_map map;
  std::uint32_t column = 0;
  std::uint32_t row = 0;
  std::uint32_t barrier = 0;
};

// What one warp has asked of the tensor cores.
class warp_products {
 public:
  void begin() { is_fenced_ = true; }
  void commit() { group_ends_.push_back(products_.size()); }
  void await(unsigned groups_left);
  // From each lane; `warp` is that of its warpgroup.
  void start(const std::array<async_product, warp_size>& lanes, unsigned warp);
  // Computes what was started; nobody sees it yet.
  void compute(std::size_t end);
  void compute_perhaps() {
    if (random_below(laziness + 1) == 0) compute(products_.size());
  }

  bool is_idle() const { return sums_.empty(); }
  const std::vector<async_product>& products() const { return products_; }  // lane 0's
  const std::vector<std::byte>* memory = nullptr;                           // as engines see it
  unsigned laziness = 0;

 private:
  struct sums_under_way {
    std::array<float*, warp_size> registers{};
    unsigned n = 0;
    std::vector<float> values;  // [16, n]
    std::size_t last_product = 0;
  };

  void take_sums(const std::array<async_product, warp_size>& lanes);
  void give_back(const sums_under_way& sums);

  unsigned warp_ = 0;
  bool is_fenced_ = false;
  std::vector<async_product> products_;
  std::vector<std::array<const std::uint32_t*, warp_size>> fragments_;  // a, of each product
  std::size_t num_computed_ = 0;
  std::vector<std::size_t> group_ends_;    // of groups that nobody has awaited
  std::map<float*, sums_under_way> sums_;  // by lane 0's registers
};

class engines final : public block_unit {
 public:
  engines();
  bool advance() override;
  const char* finish() override;

  memory_barrier& barrier_at(std::uint32_t address);
  void take_registers(unsigned warp, unsigned registers, bool grows);

  std::vector<std::byte> seen;  // shared memory
  std::map<std::uint32_t, memory_barrier> barriers;
  std::array<thread_barrier, 16> named;
  std::vector<copy_under_way> copies;
  std::vector<warp_products> products;  // [warps]

 private:
  void land(const copy_under_way& copy);

  std::byte* memory_;
  unsigned slowness_;
  std::vector<unsigned> registers_;  // [warps], of each thread
  unsigned free_registers_ = 0;
};

engines& engines_of_block();

}  // namespace simt
