// Instructions of sm_90a that copy and wait, as PTX describes them: copies of boxes (tensor maps
// with patterns of 128 bytes), barriers in shared memory that count arrivals and bytes, named
// barriers, registers that warps lend.
//
// Engines see shared memory as it was when a thread last showed it to them; copies land late, one
// by one, at random, and where they will land is poison from the start.
#pragma once
#include <cstddef>
#include <cstdint>

namespace simt {

// Rows of 16-bit numbers back to back; a box is 64 columns of box_rows rows.
struct tensor_map {
  const std::byte* rows = nullptr;
  std::uint32_t columns = 0;
  std::uint64_t num_rows = 0;
  std::uint32_t box_rows = 0;
};

// cp.async.bulk.tensor, by one thread. Rows past the end are zeros.
void copy_box(std::uint32_t target, const tensor_map& map, std::uint32_t column, std::uint32_t row,
              std::uint32_t barrier);

// mbarrier.init, .arrive with .expect_tx (0: without), .try_wait.parity.
void make_barrier(std::uint32_t barrier, std::uint32_t arrivals);
void arrive_at(std::uint32_t barrier, std::uint32_t expected_bytes);
bool has_passed(std::uint32_t barrier, std::uint32_t parity);

// fence.proxy.async, by a whole warp.
void show_to_engines(unsigned site);

// bar.sync, or with waits false bar.arrive, of so many threads.
void named_barrier(unsigned number, unsigned threads, bool waits);

// setmaxnreg, by all warps of a warpgroup. Registers that there are not yet are waited for.
void set_registers(unsigned site, unsigned registers, bool grows);

}  // namespace simt
