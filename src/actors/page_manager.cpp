#include "actors/page_manager.hpp"

#include <utility>

namespace troupe {
namespace {

class page_manager_actor : public page_manager::base {
 public:
  page_manager_actor(caf::actor_config& config, const engine_limits& limits, meter observer)
      : page_manager::base(config),
        pool_(limits.num_pages, limits.enable_prefix_caching),
        meter_(std::move(observer)),
        tells_prefixes_(limits.prefix_secret.has_value()) {
    if (limits.prefix_secret) pool_.record_prefix_changes(*limits.prefix_secret);
  }

  const char* name() const override { return "page_manager"; }
  void on_exit() override { meter_ = nullptr; }

  behavior_type make_behavior() override {
    observe();
    return {
        [this](reserve_pages& ask) { return reserve(ask); },
        [this](const release_pages& ask) {
          pool_.release(ask.owner);
          observe();
          return pages_released{pool_.num_available()};
        },
        [this](const pages_computed& news) {
          for (auto& r : news.reports) pool_.computed(r.request, r.more, r.num_computed);
          tell_prefixes();
        },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
    };
  }

 private:
  pages_reserved reserve(reserve_pages& ask) {
    pages_reserved answer;
    bool is_denied = false;
    for (auto& growth : ask.growth) {
      if (growth.is_for_drafts && (is_denied || !has_spare(growth.num_pages))) {
        answer.growth.emplace_back();
        continue;
      }
      answer.growth.push_back(pool_.extend(growth.request, growth.num_pages));
      is_denied = is_denied || !answer.growth.back();
    }
    for (auto& admission : ask.admissions) {
      answer.admissions.push_back(is_denied ? std::nullopt : pool_.admit(std::move(admission)));
      is_denied = is_denied || !answer.admissions.back();
    }
    answer.num_available = pool_.num_available();
    observe();
    return answer;
  }

  // A page for every running sequence stays free.
  bool has_spare(std::uint32_t num_pages) const {
    return std::uint64_t{num_pages} + pool_.num_owners() <= pool_.num_available();
  }

  void observe() {
    send(meter_, pages_observed{.num_used = pool_.num_held(),
                                .num_cached = pool_.num_cached(),
                                .num_pages = pool_.num_pages(),
                                .queried_tokens = pool_.num_queried_tokens(),
                                .hit_tokens = pool_.num_hit_tokens(),
                                .is_new = std::exchange(is_new_, false),
                                .prefixes = pool_.take_prefix_changes()});
  }

  void tell_prefixes() {
    if (tells_prefixes_) observe();
  }

  page_pool pool_;
  meter meter_;
  bool tells_prefixes_;
  bool is_new_ = true;
};

}  // namespace

page_manager spawn_page_manager(caf::local_actor* parent, const engine_limits& limits,
                                meter observer) {
  return parent->spawn<page_manager_actor, caf::linked>(limits, std::move(observer));
}

}  // namespace troupe
