// Whether answers under load are what they are alone: canaries with a known text, and a schema.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "load/prompts.hpp"

namespace troupe::load {

struct canary {
  conversation talk;     // of one turn, asked greedily
  std::string expected;  // the answer when nobody else asked
};

class verifier {
 public:
  // Says what is wrong with an answer, or nothing.
  using schema_check = std::function<std::string(std::string_view answer)>;
  verifier(std::vector<canary> canaries, schema_check check)
      : canaries_(std::move(canaries)), check_(std::move(check)) {}

  std::size_t num_canaries() const { return canaries_.size(); }
  const canary& canary_of(std::uint64_t number) const {
    return canaries_[number % canaries_.size()];
  }
  bool has_schema() const { return static_cast<bool>(check_); }
  std::string check_schema(std::string_view answer) const { return check_(answer); }

 private:
  std::vector<canary> canaries_;
  schema_check check_;
};

}  // namespace troupe::load
