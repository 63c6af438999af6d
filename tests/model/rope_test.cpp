#include "model/rope.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

model_config yarn_config(std::uint32_t head_dim) {
  model_config config;
  config.head_dim = head_dim;
  config.rope_theta = 1e6;
  config.yarn = yarn_scaling{4.0, 32768};
  return config;
}

struct rotation {
  std::uint32_t head_dim;
  rope_kind kind;
  std::uint32_t position, i;
  double cos, sin;
};
const rotation rotations[] = {
    {64, rope_kind::plain, 1, 0, 0.540302306, 0.841470985},
    {64, rope_kind::plain, 1, 8, 0.999500042, 0.031617508},
    {64, rope_kind::plain, 1, 16, 0.999999500, 0.001000000},
    {64, rope_kind::plain, 1, 31, 1.000000000, 0.000001540},
    {64, rope_kind::plain, 4095, 0, -0.065975997, -0.997821210},
    {64, rope_kind::plain, 4095, 8, -0.771254776, -0.636526568},
    {64, rope_kind::plain, 4095, 16, -0.578907912, -0.815392929},
    {64, rope_kind::plain, 4095, 31, 0.999980117, 0.006305957},
    {64, rope_kind::plain, 32768, 0, 0.372937829, 0.927856333},
    {64, rope_kind::plain, 32768, 8, 0.872565911, -0.488496398},
    {64, rope_kind::plain, 32768, 16, 0.216981571, 0.976175700},
    {64, rope_kind::plain, 32768, 31, 0.998727149, 0.050438901},
    {64, rope_kind::plain, 131071, 0, -0.817983499, -0.575241684},
    {64, rope_kind::plain, 131071, 8, -0.481534604, -0.876427079},
    {64, rope_kind::plain, 131071, 16, 0.640311720, -0.768115161},
    {64, rope_kind::plain, 131071, 31, 0.979699425, 0.200472037},
    {64, rope_kind::scaled, 1, 0, 0.615204110, 0.958123633},
    {64, rope_kind::scaled, 1, 8, 1.138060169, 0.036000626},
    {64, rope_kind::scaled, 1, 16, 1.138629243, 0.000664201},
    {64, rope_kind::scaled, 1, 31, 1.138629436, 0.000000438},
    {64, rope_kind::scaled, 4095, 0, -0.075122212, -1.136148602},
    {64, rope_kind::scaled, 4095, 8, -0.878173391, -0.724767887},
    {64, rope_kind::scaled, 4095, 16, -0.830912901, 0.778499033},
    {64, rope_kind::scaled, 4095, 31, 1.138628022, 0.001795048},
    {64, rope_kind::scaled, 32768, 0, 0.424637990, 1.056484534},
    {64, rope_kind::scaled, 32768, 8, 0.993529232, -0.556216378},
    {64, rope_kind::scaled, 32768, 16, 1.098849332, 0.298340643},
    {64, rope_kind::scaled, 32768, 31, 1.138538837, 0.014363518},
    {64, rope_kind::scaled, 131071, 0, -0.931380091, -0.654987114},
    {64, rope_kind::scaled, 131071, 8, -0.548289475, -0.997925671},
    {64, rope_kind::scaled, 131071, 16, 0.556775203, 0.993216173},
    {64, rope_kind::scaled, 131071, 31, 1.137180152, 0.057430781},
    {128, rope_kind::plain, 1, 0, 0.540302306, 0.841470985},
    {128, rope_kind::plain, 1, 16, 0.999500042, 0.031617508},
    {128, rope_kind::plain, 1, 32, 0.999999500, 0.001000000},
    {128, rope_kind::plain, 1, 63, 1.000000000, 0.000001241},
    {128, rope_kind::plain, 4095, 0, -0.065975997, -0.997821210},
    {128, rope_kind::plain, 4095, 16, -0.771254776, -0.636526568},
    {128, rope_kind::plain, 4095, 32, -0.578907912, -0.815392929},
    {128, rope_kind::plain, 4095, 63, 0.999987088, 0.005081618},
    {128, rope_kind::plain, 32768, 0, 0.372937829, 0.927856333},
    {128, rope_kind::plain, 32768, 16, 0.872565911, -0.488496398},
    {128, rope_kind::plain, 32768, 32, 0.216981571, 0.976175700},
    {128, rope_kind::plain, 32768, 63, 0.999173372, 0.040651844},
    {128, rope_kind::plain, 131071, 0, -0.817983499, -0.575241684},
    {128, rope_kind::plain, 131071, 16, -0.481534604, -0.876427079},
    {128, rope_kind::plain, 131071, 32, 0.640311720, -0.768115161},
    {128, rope_kind::plain, 131071, 63, 0.986801469, 0.161934742},
    {128, rope_kind::scaled, 1, 0, 0.615204110, 0.958123633},
    {128, rope_kind::scaled, 1, 16, 1.138060169, 0.036000626},
    {128, rope_kind::scaled, 1, 32, 1.138629230, 0.000686526},
    {128, rope_kind::scaled, 1, 63, 1.138629436, 0.000000353},
    {128, rope_kind::scaled, 4095, 0, -0.075122212, -1.136148602},
    {128, rope_kind::scaled, 4095, 16, -0.878173391, -0.724767887},
    {128, rope_kind::scaled, 4095, 32, -0.890677420, 0.709345281},
    {128, rope_kind::scaled, 4095, 63, 1.138628518, 0.001446526},
    {128, rope_kind::scaled, 32768, 0, 0.424637990, 1.056484534},
    {128, rope_kind::scaled, 32768, 16, 0.993529232, -0.556216378},
    {128, rope_kind::scaled, 32768, 32, 0.700966929, 0.897286107},
    {128, rope_kind::scaled, 32768, 63, 1.138570602, 0.011574837},
    {128, rope_kind::scaled, 131071, 0, -0.931380091, -0.654987114},
    {128, rope_kind::scaled, 131071, 16, -0.548289475, -0.997925671},
    {128, rope_kind::scaled, 131071, 32, -1.005568920, -0.534142435},
    {128, rope_kind::scaled, 131071, 63, 1.137688228, 0.046287034},
};

}  // namespace

// The expected numbers come from a transcription of the formula in numpy, all steps in float32.
TEST_CASE("frequencies agree with an independent computation") {
  struct row {
    std::uint32_t head_dim, i;
    float plain, scaled;
  };
  const row table[] = {
      {64, 0, 0x1.000000p+0F, 0x1.000000p+0F},     {64, 1, 0x1.4c7bc0p-1F, 0x1.4c7bc0p-1F},
      {64, 10, 0x1.b4f7e4p-7F, 0x1.b4f7e4p-7F},    {64, 14, 0x1.36d21ap-9F, 0x1.d23b26p-10F},
      {64, 20, 0x1.74eea6p-13F, 0x1.74eea6p-15F},  {64, 31, 0x1.9d5ef2p-20F, 0x1.9d5ef2p-22F},
      {128, 0, 0x1.000000p+0F, 0x1.000000p+0F},    {128, 1, 0x1.9c975ap-1F, 0x1.9c975ap-1F},
      {128, 20, 0x1.b4f7e4p-7F, 0x1.b4f7e4p-7F},   {128, 24, 0x1.708938p-8F, 0x1.6046eep-8F},
      {128, 30, 0x1.93aeb8p-10F, 0x1.17040ep-10F}, {128, 40, 0x1.74eea6p-13F, 0x1.74eea6p-15F},
      {128, 63, 0x1.4d1c98p-20F, 0x1.4d1c98p-22F},
  };
  for (const row& r : table) {
    CAPTURE(r.head_dim);
    CAPTURE(r.i);
    CHECK(rope_frequencies(yarn_config(r.head_dim), rope_kind::plain)[r.i] == r.plain);
    CHECK(rope_frequencies(yarn_config(r.head_dim), rope_kind::scaled)[r.i] == r.scaled);
  }
}

TEST_CASE("rotations at far positions agree with an independent computation") {
  for (const rotation& r : rotations) {
    const rope_table rope = make_rope_table(yarn_config(r.head_dim), r.kind, r.position + 1);
    REQUIRE(rope.half_dim == r.head_dim / 2);
    REQUIRE(rope.cos.size() == std::size_t{r.position + 1} * rope.half_dim);
    const std::size_t at = std::size_t{r.position} * rope.half_dim + r.i;
    CAPTURE(r.position);
    CAPTURE(r.i);
    CHECK(rope.cos[at] == doctest::Approx(r.cos).epsilon(1e-6));
    CHECK(rope.sin[at] == doctest::Approx(r.sin).epsilon(1e-6));
  }
}

TEST_CASE("the attention factor is the stated one, or follows from the factor") {
  model_config config = yarn_config(64);
  CHECK(rope_attention_factor(config, rope_kind::plain) == 1.0);
  CHECK(rope_attention_factor(config, rope_kind::scaled) == doctest::Approx(1.138629436));
  config.yarn->attention_factor = 1.25;
  CHECK(make_rope_table(config, rope_kind::scaled, 1).cos[0] == 1.25F);
  config.yarn->attention_factor.reset();
  config.yarn->factor = 1.0;
  CHECK(rope_attention_factor(config, rope_kind::scaled) == 1.0);
}

TEST_CASE("a model without YaRN has one table") {
  model_config config = yarn_config(64);
  config.yarn.reset();
  const rope_table plain = make_rope_table(config, rope_kind::plain, 33);
  const rope_table scaled = make_rope_table(config, rope_kind::scaled, 33);
  CHECK(plain.cos == scaled.cos);
  CHECK(plain.sin == scaled.sin);
}

TEST_CASE("a ramp of no width does not divide by zero") {
  model_config config = yarn_config(64);
  config.yarn->beta_fast = config.yarn->beta_slow = 1.0;
  config.yarn->truncate = false;
  for (float frequency : rope_frequencies(config, rope_kind::scaled)) {
    CHECK(frequency > 0.0F);
    CHECK(frequency <= 1.0F);
  }
}
