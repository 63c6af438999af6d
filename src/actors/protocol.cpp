#include "actors/protocol.hpp"

#include <string_view>

#include "actors/batcher.hpp"
#include "actors/gatekeeper.hpp"
#include "actors/grammar_store.hpp"
#include "actors/load_tester.hpp"
#include "actors/replica.hpp"

namespace troupe {
namespace {

// CAF says caf::replies_to<troupe::submit>::with<troupe::accepted>; we say submit -> accepted.
std::string in_our_words(std::string_view signature) {
  std::string words{signature};
  auto replace = [&](std::string_view from, std::string_view to) {
    for (auto at = words.find(from); at != std::string::npos; at = words.find(from, at))
      words.replace(at, from.size(), to);
  };
  replace("caf::replies_to<", "");
  replace("troupe::", "");
  replace(">::with<void>", "");
  replace(">::with<", " -> ");
  replace("@str", "std::string");
  if (words.ends_with('>')) words.pop_back();
  return words;
}

template <class Actor>
actor_protocol describe(const caf::actor_system& system, std::string name) {
  actor_protocol protocol{.actor = std::move(name)};
  for (auto& signature : system.message_types<Actor>())
    protocol.messages.push_back(in_our_words(signature));
  return protocol;
}

}  // namespace

std::vector<actor_protocol> list_protocols(const caf::actor_system& system) {
  return {describe<request_queue>(system, "request_queue"),
          describe<batcher>(system, "batcher"),
          describe<page_manager>(system, "page_manager"),
          describe<grammarian>(system, "grammarian"),
          describe<executor>(system, "executor"),
          describe<replica>(system, "replica"),
          describe<rank_node>(system, "rank_node"),
          describe<rank_group>(system, "rank_group"),
          describe<rank_maker>(system, "rank_maker"),
          describe<gatekeeper>(system, "gatekeeper"),
          describe<meter>(system, "meter"),
          describe<load_tester>(system, "load_tester"),
          describe<grammar_store>(system, "grammar_store"),
          describe<grammar_maker>(system, "grammar_maker"),
          describe<token_sink>(system, "token_sink")};
}

}  // namespace troupe
