// Runs load tests of this server, one at a time: owns the process that asks and the folders with
// its reports. What a test may be is decided by whoever asks for one.
#pragma once
#include "actors/cast.hpp"
#include "actors/load_test_process.hpp"
#include "actors/meter.hpp"
#include "core/load_test_book.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace troupe {

struct open_load_tests {
  std::string address;  // "http://127.0.0.1:8080"
};
struct start_load_test {
  std::vector<std::string> arguments;  // flags of `troupe bench`, each with its value
  std::string api_key;                 // that the test shows; empty: none
};
struct load_test_started {
  bool is_new = false;  // false: `test` runs already
  load_test_record test;
};
struct stop_load_test {
  std::uint64_t number = 0;
};
struct ask_load_tests {};
struct load_test_list {
  std::vector<load_test_record> tests;  // newest first
};
struct ask_load_test {
  std::uint64_t number = 0;
  std::uint64_t first_line = 0;
};
struct load_test_view {
  load_test_record test;
  std::vector<std::string> lines;  // of progress, JSON: the last of test.num_lines
  std::filesystem::path folder;    // of its reports, once it is over
};

using load_tester = caf::typed_actor<
    // The server listens: tests may be started.
    caf::reacts_to<open_load_tests>,
    // Refused while there is no address, or if no process or folder can be made.
    caf::replies_to<start_load_test>::with<load_test_started>,
    // The test as it is now; it is told to end, and killed if it does not within 5 s.
    caf::replies_to<stop_load_test>::with<load_test_view>,
    // The one that runs and those that are kept.
    caf::replies_to<ask_load_tests>::with<load_test_list>,
    caf::replies_to<ask_load_test>::with<load_test_view>, caf::reacts_to<tick>>;

// Its end kills the process and removes the folders.
load_tester spawn_load_tester(caf::actor_system& system, meter observer,
                              load_test_launcher launch = &launch_load_test,
                              load_test_bounds bounds = {});

}  // namespace troupe
