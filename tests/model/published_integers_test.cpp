// Integers come back from both layouts as they were written, zero points included.
#include "model/integer_packing.hpp"
#include "model/safetensors.hpp"
#include "model/safetensors_writer.hpp"
#include "model/sharding.hpp"
#include "temp_dir.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <random>
#include <sstream>

using namespace troupe;

namespace {

const published_format formats[] = {
    {.layout = integer_layout::awq, .bits = 4},
    {.layout = integer_layout::gptq, .bits = 4, .added_to_zeros = 1},
    {.layout = integer_layout::gptq, .bits = 4},
    {.layout = integer_layout::gptq, .bits = 8, .added_to_zeros = 1},
};

integer_matrix random_matrix(std::uint32_t rows, std::uint32_t cols, std::uint32_t bits) {
  std::mt19937 random(rows + cols + bits);
  integer_matrix out(rows, cols);
  for (auto& value : out.values) value = static_cast<std::uint8_t>(random() % (1U << bits));
  for (auto& zero : out.zeros) zero = static_cast<std::uint8_t>(random() % (1U << bits));
  for (auto& scale : out.scales) scale.bits = static_cast<std::uint16_t>(random() % 0x7C00);
  return out;
}

template <class T>
host_tensor view(dtype type, const std::vector<T>& values) {
  return {type, {}, std::as_bytes(std::span(values)), nullptr};
}

host_tensor weight_of(const published_format& format, const packed_integers& packed,
                      std::uint32_t rows, std::uint32_t cols) {
  published_integers::tensors parts{view(dtype::int32, packed.qweight),
                                    view(dtype::int32, packed.qzeros),
                                    view(dtype::float16, packed.scales)};
  return {dtype::float16,
          {rows, cols},
          {},
          std::make_shared<const published_integers>(format, std::move(parts), rows, cols)};
}

}  // namespace

TEST_CASE("integers survive the way through every published layout") {
  for (const published_format& format : formats) {
    CAPTURE(static_cast<int>(format.layout));
    CAPTURE(format.bits);
    constexpr std::uint32_t rows = 24;
    constexpr std::uint32_t cols = 200;
    const integer_matrix matrix = random_matrix(rows, cols, format.bits);
    const packed_integers packed = pack_integers(format, matrix);
    const host_tensor weight = weight_of(format, packed, rows, cols);
    const linear_slice slice({{rows, 0, weight, std::nullopt}}, {{cols, 0}});
    REQUIRE(slice.has_integers(format.bits));
    CHECK(!slice.has_integers(12 - format.bits));
    for (std::uint32_t row = 0; row < rows; ++row) {
      integer_row got;
      slice.copy_integers(row, got);
      const auto* values = matrix.values.data() + std::size_t{row} * cols;
      CHECK(std::equal(got.values.begin(), got.values.end(), values));
      for (std::uint32_t g = 0; g < 2; ++g) {
        CHECK(got.scales[g] == matrix.scales[g * rows + row]);
        CHECK(got.zeros[g] == matrix.zeros[g * rows + row]);
      }
      std::vector<float> floats(cols);
      slice.copy_rows(row, 1, floats);
      const int distance = values[150] - matrix.zeros[rows + row];
      CHECK(floats[150] == to_float(matrix.scales[rows + row]) * static_cast<float>(distance));
    }
    CHECK(packed.group_index.empty() == (format.layout == integer_layout::awq));
  }
}

TEST_CASE("a slice keeps a published group's scale or says that it cannot") {
  const published_format& format = formats[0];
  const integer_matrix matrix = random_matrix(16, 512, 4);
  const packed_integers packed = pack_integers(format, matrix);
  const host_tensor weight = weight_of(format, packed, 16, 512);
  // Rows 8 .. 11 and two of padding; half a group of padding, then a half and a whole group.
  const linear_slice slice({{4, 8, weight, std::nullopt}, {2, 0, std::nullopt, std::nullopt}},
                           {{64, std::nullopt}, {64, 128}, {128, 384}});
  REQUIRE(slice.has_integers(4));
  integer_row got;
  slice.copy_integers(1, got);
  CHECK(got.zeros[0] == matrix.zeros[16 + 9]);
  CHECK(got.values[5] == got.zeros[0]);
  CHECK(got.values[64] == matrix.values[9 * 512 + 128]);
  CHECK(got.values[255] == matrix.values[9 * 512 + 511]);
  CHECK(got.scales[1] == matrix.scales[3 * 16 + 9]);
  slice.copy_integers(5, got);
  CHECK(got.scales[0].bits == 0);
  CHECK(got.values[200] == 0);
  const linear_slice mixed({{16, 0, weight, std::nullopt}}, {{64, 64}, {64, 128}});
  CHECK(!mixed.keeps_groups(128));
  CHECK(mixed.keeps_groups(0));
  CHECK(mixed.keeps_groups(256) == true);
  const linear_slice shifted({{16, 0, weight, std::nullopt}}, {{256, 64}});
  CHECK(!shifted.keeps_groups(128));
}

TEST_CASE("a written file of tensors reads back") {
  const test::temp_dir dir;
  const std::vector<tensor_entry> entries{{"b", dtype::float16, {2, 3}}, {"a", dtype::int32, {1}}};
  const auto path = dir.path() / "model.safetensors";
  {
    auto file = file_writer::create(path);
    REQUIRE(file);
    const std::string bytes = make_safetensors_header(entries) + "0123456789abwxyz";
    CHECK(bytes.size() % 8 == 0);
    REQUIRE(file->write(std::as_bytes(std::span(bytes))));
    REQUIRE(file->finish());
  }
  auto opened = open_checkpoint(dir.path());
  REQUIRE_MESSAGE(opened, opened.error().message);
  CHECK(opened->tensors.at("b").shape == std::vector<std::int64_t>{2, 3});
  CHECK(opened->tensors.at("a").type == dtype::int32);
  CHECK(std::to_integer<char>(opened->tensors.at("a").bytes[0]) == 'w');
  auto again = file_writer::create(path);
  REQUIRE(!again);
  CHECK(again.error().message.find("cannot be written: File exists") != std::string::npos);
}
