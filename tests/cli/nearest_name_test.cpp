#include "cli/nearest_name.hpp"

#include <doctest/doctest.h>

using namespace troupe;

TEST_CASE("the distance counts letters put in, left out, replaced or swapped") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("port", "port") == 0);
  CHECK(edit_distance("", "port") == 4);
  CHECK(edit_distance("prot", "port") == 1);
  CHECK(edit_distance("ports", "port") == 1);
  CHECK(edit_distance("max-num-seq", "max-num-seqs") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("sitting", "kitten") == 3);
}

TEST_CASE("the nearest name is offered, or none when nothing is near") {
  const std::vector<std::string> known = {"max-num-seqs", "port", "host"};
  CHECK(nearest_name("max-num-sequences", known) == "max-num-seqs");
  CHECK(nearest_name("pord", known) == "port");
  CHECK(nearest_name("hsot", known) == "host");
  CHECK(nearest_name("temperature", known).empty());
  CHECK(nearest_name("x", {}).empty());
}
