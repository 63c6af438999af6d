#include "plan/claims.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "model/published_shapes.hpp"

using namespace troupe;
using namespace troupe::planning;

namespace {

gpu_clockwork four_cards() {
  const auto config = config_of(published_shapes[3]);
  const auto shard = plan_shard(config, 4, 0);
  REQUIRE(shard);
  return {*find_gpu("rtx4090d"), *find_link("pcie"), measure_cost(config, *shard)};
}

std::string explain_row(const claimed_row& claim, double ours) {
  plan_row row;
  row.is_stable = true;
  row.output_per_second = ours;
  return explain(claim, row, four_cards(), 1024, 100'000, 1152);
}

std::filesystem::path write(const std::string& text) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("troupe-claims-" + std::to_string(getpid()) + ".json");
  std::ofstream(file) << text;
  return file;
}

}  // namespace

TEST_CASE("a claim beyond the memory's rate is impossible") {
  // 3.52 ms of reading for one token: 284 tokens a second at most.
  CHECK(explain_row({1, 300, {}, true}, 150).starts_with("impossible"));
  CHECK(explain_row({1, 300, {}, true}, 150).ends_with("at most 284 tokens/s"));
  CHECK(explain_row({1, 250, {}, true}, 150).starts_with("more than simulated"));
  CHECK(explain_row({1, 155, {}, true}, 150).starts_with("agrees"));
  CHECK(explain_row({1, 100, {}, true}, 150).starts_with("claimed is a token of each every 10.00"));
}

TEST_CASE("what is claimed not to hold is asked for what would break") {
  const auto why = explain_row({64, {}, {}, false}, 2000);
  CHECK(why.starts_with("64 requests hold 73728 of 100000 tokens"));
  CHECK(why.ends_with("nothing here makes it unstable"));
}

TEST_CASE("a file of claims is read or refused") {
  const std::string row = R"({"concurrency": 2, "tokens_per_second": null, "stable": true})";
  auto table = [&](const std::string& rows, const std::string& gpu = "4090d:4") {
    return R"({"tables": [{"name": "n", "model": "7b", "gpu": ")" + gpu +
           R"(", "tensor_parallel_size": 4, "input_tokens": "10", "output_tokens": "5",
            "rows": [)" +
           rows + "]}]}";
  };
  const auto file = write(table(row));
  const auto read = read_claims(file);
  REQUIRE(read);
  CHECK(read->front().gpus.name == "rtx4090d");
  CHECK_FALSE(read->front().rows.front().tokens_per_second);
  for (const auto& text :
       {table(""), table("{}"), table(row, "4080"), std::string("{}"), std::string("[")})
    CHECK_FALSE(read_claims(write(text)));
  std::filesystem::remove(file);
}
