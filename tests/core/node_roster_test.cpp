#include "core/node_roster.hpp"

#include <doctest/doctest.h>

using namespace troupe;

using numbers = std::vector<std::uint32_t>;

TEST_CASE("a group is complete when all have joined and loaded") {
  node_roster roster(3, 2);
  CHECK(roster.num_ranks_present() == 2);
  CHECK(roster.describe_missing() ==
        "node 1 (ranks 2 to 3) is missing, node 2 (ranks 4 to 5) is missing");
  REQUIRE(roster.join(2, "there"));
  CHECK(roster.describe_missing() ==
        "node 1 (ranks 2 to 3) is missing, node 2 (ranks 4 to 5) loads");
  roster.note_loaded(2);
  REQUIRE(roster.join(1, "here"));
  CHECK(roster.num_ranks_present() == 4);
  CHECK_FALSE(roster.is_complete());
  roster.note_loaded(1);
  CHECK(roster.is_complete());
  CHECK(roster.describe_missing().empty());
  CHECK(roster.remove(2));
  CHECK_FALSE(roster.remove(2));
  CHECK_FALSE(roster.is_complete());
  roster.note_loaded(2);  // a late word of one that is gone
  CHECK(roster.num_ranks_present() == 4);
  CHECK(node_roster(2, 1).describe_missing() == "node 1 (rank 1) is missing");
}

TEST_CASE("a number is taken once, and none but those of the group") {
  node_roster roster(2, 1);
  for (const std::uint32_t wrong : {0U, 2U, ~0U}) {
    const auto joined = roster.join(wrong, "there");
    REQUIRE_FALSE(joined);
    CHECK(joined.error().code == error_code::invalid_argument);
  }
  REQUIRE(roster.join(1, "this machine"));
  const auto again = roster.join(1, "that machine");
  REQUIRE_FALSE(again);
  CHECK(again.error().code == error_code::unavailable);
  CHECK(again.error().message == "node 1 is here already, from this machine");
  roster.remove(1);
  CHECK(roster.join(1, "that machine"));
}

TEST_CASE("who says no word between so many looks is silent") {
  node_roster roster(3, 1);
  REQUIRE(roster.join(1, "a"));
  REQUIRE(roster.join(2, "b"));
  CHECK(roster.find_silent(2).empty());
  CHECK(roster.find_silent(2).empty());
  roster.note_word(1);
  CHECK(roster.find_silent(2) == numbers{2});
  roster.remove(2);
  CHECK(roster.find_silent(2).empty());
  CHECK(roster.find_silent(2) == numbers{1});
  roster.note_word(7);  // nobody
}

TEST_CASE("what differs is named with both values") {
  const group_terms ours{{"context", "4096"}, {"files", "a1"}, {"nnodes", "2"}};
  CHECK(describe_difference(ours, ours).empty());
  auto theirs = ours;
  theirs["context"] = "512";
  theirs.erase("nnodes");
  theirs["zest"] = "much";
  CHECK(describe_difference(ours, theirs) ==
        "context (512 there, 4096 here), nnodes (unknown there, 2 here), "
        "zest (much there, unknown here)");
}
