#include "cpu/memory_filler.hpp"

#include "cpu/aligned_buffer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>

using namespace troupe;

TEST_CASE("a filler's thread leaves what others write meanwhile") {
  constexpr std::size_t count = 5 * huge_page_bytes / 2;
  aligned_buffer<std::byte> first(count);
  aligned_buffer<std::byte> second(count);
  CHECK(std::ranges::all_of(first.span().last(100), [](std::byte b) { return b == std::byte{0}; }));
  const memory_filler filler({first.span(), second.span()});
  std::ranges::fill(first.span(), std::byte{7});
  while (filler.num_bytes_done() < 2 * count) std::this_thread::yield();
  CHECK(std::ranges::count(first.span(), std::byte{7}) == count);
  CHECK(std::ranges::count(second.span(), std::byte{0}) == count);
}

TEST_CASE("a filler's thread ends with it, however much is left") {
  constexpr std::size_t much = std::size_t{1} << 30U;
  aligned_buffer<std::byte> block(much);
  std::size_t num_done = 0;
  {
    const memory_filler filler({block.span()});
    num_done = filler.num_bytes_done();
  }
  CHECK(num_done < much);
}

TEST_CASE("memory is zeroed and aligned, small and large") {
  for (const std::size_t count : {std::size_t{1}, std::size_t{1000}, huge_page_bytes / 4,
                                  huge_page_bytes / 4 + 1, 3 * huge_page_bytes}) {
    aligned_buffer<std::uint32_t> buffer(count);
    CHECK(std::ranges::all_of(buffer.span(), [](std::uint32_t x) { return x == 0; }));
    const std::size_t unit = count * 4 < huge_page_bytes ? 64 : huge_page_bytes;
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % unit == 0);
    buffer.data()[count - 1] = 1;
    const aligned_buffer<std::uint32_t> moved = std::move(buffer);
    CHECK(moved.data()[count - 1] == 1);
  }
}
