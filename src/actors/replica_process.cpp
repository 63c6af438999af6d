#include "actors/replica_process.hpp"

#include "actors/child_process.hpp"

#include <csignal>
#include <utility>

namespace troupe {
namespace {

class local_replica : public replica_process {
 public:
  explicit local_replica(std::unique_ptr<child_process> child) : child_(std::move(child)) {}
  int pid() const override { return child_->pid(); }
  std::optional<std::string> find_end() override {
    auto status = child_->find_status();
    return status ? std::optional(describe_status(*status)) : std::nullopt;
  }
  void kill() override { child_->send(SIGKILL); }

 private:
  std::unique_ptr<child_process> child_;
};

}  // namespace

outcome<std::unique_ptr<replica_process>> launch_process(const std::string& program,
                                                         const std::vector<std::string>& arguments,
                                                         const std::vector<std::string>& variables,
                                                         int input) {
  child_orders orders{.program = program,
                      .words = {program},
                      .variables = variables,
                      .files = {},
                      .max_data_bytes = 0};
  orders.words.insert(orders.words.end(), arguments.begin(), arguments.end());
  orders.files.input = input;
  auto child = launch_child(orders);
  if (!child) return failure{error_code::io_error, "of a replica: " + child.error().message};
  return std::unique_ptr<replica_process>(std::make_unique<local_replica>(*std::move(child)));
}

}  // namespace troupe
