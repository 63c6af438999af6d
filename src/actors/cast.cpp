#include "actors/cast.hpp"

#include "actors/batcher.hpp"
#include "actors/fleet.hpp"
#include "actors/gatekeeper.hpp"
#include "actors/grammar_store.hpp"
#include "actors/load_tester.hpp"
#include "actors/rank_group.hpp"
#include "actors/replica.hpp"
#include "actors/request_door.hpp"

#include <chrono>
#include <string>

namespace troupe {
namespace {

constexpr auto category = caf::atom("troupe");

}  // namespace

void enroll_cast(caf::actor_system_config& config) {
  config.add_message_types<caf::id_block::troupe>();
  config.add_error_category(
      category, [](std::uint8_t, caf::atom_value, const caf::message& context) {
        return context.match_elements<std::string, std::string, std::int64_t>()
                   ? context.get_as<std::string>(0)
                   : std::string{"unknown failure"};
      });
}

caf::error make_error(const failure& why) {
  return {static_cast<std::uint8_t>(why.code), category,
          caf::make_message(why.message, why.field,
                            static_cast<std::int64_t>(why.retry_after.count()))};
}

failure to_failure(const caf::error& error) {
  auto& context = error.context();
  if (error.category() == category &&
      context.match_elements<std::string, std::string, std::int64_t>())
    return {.code = static_cast<error_code>(error.code()),
            .message = context.get_as<std::string>(0),
            .field = context.get_as<std::string>(1),
            .retry_after = std::chrono::milliseconds{context.get_as<std::int64_t>(2)}};
  return {.code = error_code::engine_failed,
          .message = "the engine is gone (" + caf::to_string(error.category()) + " " +
                     std::to_string(error.code()) + ")"};
}

}  // namespace troupe
