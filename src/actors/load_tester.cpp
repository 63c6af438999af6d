#include "actors/load_tester.hpp"

#include <stdlib.h>

#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

namespace troupe {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto period = 50ms;

// A new one of our own, that nobody else may read; removed with all that is in it.
class report_folder {
 public:
  static outcome<report_folder> make() {
    std::error_code why;
    auto text = (fs::temp_directory_path(why) / "troupe-load-test-XXXXXX").string();
    if (why || mkdtemp(text.data()) == nullptr)
      return failure{error_code::io_error, "no folder for the reports can be made: " + text};
    return report_folder(text);
  }
  report_folder(report_folder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  report_folder& operator=(report_folder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~report_folder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  explicit report_folder(fs::path path) : path_(std::move(path)) {}

  fs::path path_;
};

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> out;
  for (auto& file : load_test_files) {
    std::error_code why;
    if (fs::file_size(folder / file.place, why) > 0 && !why) out.emplace_back(file.name);
  }
  return out;
}

caf::error not_found(std::uint64_t number) {
  return make_error({.code = error_code::not_found,
                     .message = "there is no load test " + std::to_string(number) +
                                ", or it was forgotten for later ones"});
}

// A thread of its own: it makes processes and files. And only when that thread ends would the
// process be killed without a word from here.
class load_tester_actor : public load_tester::base {
 public:
  load_tester_actor(caf::actor_config& config, meter observer, load_test_launcher launch,
                    load_test_bounds bounds)
      : load_tester::base(config),
        observer_(std::move(observer)),
        launch_(std::move(launch)),
        book_(bounds) {}

  const char* name() const override { return "load_tester"; }

  behavior_type make_behavior() override {
    return {
        [this](const open_load_tests& order) { address_ = order.address; },
        [this](const start_load_test& order) { return start(order); },
        [this](const stop_load_test& order) { return stop(order.number); },
        [this](const ask_load_tests&) {
          return load_test_list{{book_.tests().begin(), book_.tests().end()}};
        },
        [this](const ask_load_test& ask) { return view(ask.number, ask.first_line); },
        [this](const tick&) { look(); },
    };
  }

  void on_exit() override {
    process_ = nullptr;
    folders_.clear();
    observer_ = nullptr;
  }

 private:
  caf::result<load_test_started> start(const start_load_test& order) {
    if (auto* current = book_.current()) return load_test_started{false, *current};
    if (address_.empty())
      return make_error({.code = error_code::unavailable, .message = "the server starts"});
    auto folder = report_folder::make();
    if (!folder) return make_error(folder.error());
    auto launched = launch_({address_, order.arguments, order.api_key, folder->path()});
    if (!launched) return make_error(launched.error());
    process_ = *std::move(launched);
    for (auto number : book_.start(order.arguments, std::time(nullptr), clock().now()))
      folders_.erase(number);
    auto& test = book_.tests().front();
    folders_.emplace(test.number, *std::move(folder));
    send(observer_, load_test_observed{true});
    delayed_send(this, period, tick{});
    return load_test_started{true, test};
  }

  caf::result<load_test_view> stop(std::uint64_t number) {
    if (!book_.stop(number)) return not_found(number);
    obey();
    return view(number, ~std::uint64_t{0});
  }

  caf::result<load_test_view> view(std::uint64_t number, std::uint64_t first_line) {
    auto* test = book_.find(number);
    if (test == nullptr) return not_found(number);
    load_test_view out{*test, book_.lines(number, first_line), {}};
    if (test->is_over()) out.folder = folders_.at(number).path();
    return out;
  }

  void look() {
    if (!process_) return;
    // Asked before the last reading: of a process that has ended nothing more comes.
    auto end = process_->find_end();
    bool has_more = true;
    while (has_more) {
      auto output = process_->read_output(), errors = process_->read_errors();
      book_.read_output(output);
      book_.read_errors(errors);
      has_more = end && (!output.empty() || !errors.empty());
    }
    if (!end) {
      obey();
      delayed_send(this, period, tick{});
      return;
    }
    end->files = files_in(folders_.at(book_.tests().front().number).path());
    book_.end(*end, std::time(nullptr));
    process_ = nullptr;
    send(observer_, load_test_observed{false});
  }

  void obey() {
    if (!process_) return;
    switch (book_.next_order(clock().now())) {
      case load_test_order::nothing: break;
      case load_test_order::interrupt: process_->interrupt(); break;
      case load_test_order::kill: process_->kill(); break;
    }
  }

  meter observer_;
  load_test_launcher launch_;
  load_test_book book_;
  std::string address_;
  std::unique_ptr<load_test_process> process_;
  std::map<std::uint64_t, report_folder> folders_;
};

}  // namespace

load_tester spawn_load_tester(caf::actor_system& system, meter observer, load_test_launcher launch,
                              load_test_bounds bounds) {
  return system.spawn<load_tester_actor, caf::detached>(std::move(observer), std::move(launch),
                                                        bounds);
}

}  // namespace troupe
