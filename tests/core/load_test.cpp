#include "core/load.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace troupe;

TEST_CASE("the load of one replica is the largest of its signs") {
  replica_signs one{.num_seats = 8};
  CHECK(measure_replica_load(one) == 0);
  one.kv_pages_share = 0.51;
  CHECK(measure_replica_load(one) == doctest::Approx(0.6));
  one.num_requests = 6;
  CHECK(measure_replica_load(one) == doctest::Approx(0.75));
  one.pending_tokens = 90;
  CHECK(measure_replica_load(one) == doctest::Approx(0.75));
  one.seconds_per_token = 0.01;
  CHECK(measure_replica_load(one) == doctest::Approx(0.9));
}

TEST_CASE("the load of several is their mean") {
  CHECK(measure_fleet_load({}, {.num_requests = 5, .num_tokens = 500}) == 0);
  std::array two{replica_signs{.kv_pages_share = 0.85}, replica_signs{}};
  CHECK(measure_fleet_load(two, {}) == doctest::Approx(0.5));
  two = {replica_signs{.num_requests = 4, .num_seats = 4},
         replica_signs{.num_requests = 1, .num_seats = 16}};
  CHECK(measure_fleet_load(two, {}) == doctest::Approx(0.25));
  two = {replica_signs{.pending_tokens = 100, .seconds_per_token = 0.01},
         replica_signs{.pending_tokens = 100, .seconds_per_token = 0.03}};
  CHECK(measure_fleet_load(two, {}) == doctest::Approx(2));
}

// A router gives a replica only so much ahead; a backlog that it keeps must not look like calm.
TEST_CASE("what waits in front of them counts, by requests and by tokens") {
  std::array two{replica_signs{.num_requests = 1, .num_seats = 8, .seconds_per_token = 0.01},
                 replica_signs{.num_requests = 1, .num_seats = 8}};
  CHECK(measure_fleet_load(two, {.num_requests = 6}) == doctest::Approx(0.5));
  CHECK(measure_fleet_load(two, {.num_requests = 6, .num_tokens = 300}) == doctest::Approx(3));
  two[1].seconds_per_token = 0.01;  // now two of them compute it
  CHECK(measure_fleet_load(two, {.num_requests = 6, .num_tokens = 300}) == doctest::Approx(1.5));
}
