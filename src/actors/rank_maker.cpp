#include "actors/rank_maker.hpp"

#include <exception>
#include <utility>

namespace troupe {
namespace {

outcome<std::vector<std::shared_ptr<runner>>> make_devices(const rank_factory& make,
                                                           const rank_meeting& meeting) {
  try {
    std::vector<std::shared_ptr<runner>> out;
    for (auto& one : make(meeting)) out.push_back(std::move(one));
    return out;
  } catch (const std::exception& error) {
    return failure{error_code::engine_failed, error.what()};
  }
}

rank_maker::behavior_type run(rank_maker::pointer self, rank_factory make) {
  return {[self, make = std::move(make)](make_ranks& ask) {
    self->send(ask.listener, ranks_made{ask.formation, make_devices(make, ask.meeting)});
    ask = {};
  }};
}

}  // namespace

rank_maker spawn_rank_maker(caf::local_actor* parent, rank_factory make) {
  return parent->spawn<caf::linked + caf::detached>(run, std::move(make));
}

}  // namespace troupe
