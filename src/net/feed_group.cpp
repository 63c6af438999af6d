#include "net/feed_group.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

feed_group::feed_group(caf::actor_system& system, const strand_home& home,
                       std::vector<feed_order> orders)
    : feed_group(system, home, std::move(orders), std::make_shared<strand_event>(home.strand)) {}

feed_group::feed_group(caf::actor_system& system, const strand_home& home,
                       std::vector<feed_order> orders, std::shared_ptr<strand_event> arrived)
    : arrived_(std::move(arrived)), num_open_(orders.size()) {
  for (auto& order : orders)
    feeds_.push_back(std::make_unique<feed>(system, home, arrived_, std::move(order)));
}

asio::awaitable<feed_group::news> feed_group::next() {
  for (;;) {
    auto found = poll();
    if (found) co_return *std::move(found);
    co_await arrived_->wait();
  }
}

std::optional<feed_group::news> feed_group::poll() {
  for (std::size_t i = 0; i < feeds_.size(); ++i) {
    auto choice = (turn_ + i) % feeds_.size();
    if (!feeds_[choice]->has_news()) continue;
    turn_ = choice + 1;
    news out{choice, feeds_[choice]->take()};
    if (out.piece.end) --num_open_;
    return out;
  }
  return std::nullopt;
}

bool feed_group::is_accepted() const {
  return std::ranges::all_of(feeds_, [](auto& one) { return one->is_accepted(); });
}

bool feed_group::has_failed() const {
  return std::ranges::any_of(feeds_, [](auto& one) { return one->has_failed(); });
}

void feed_group::leave(const failure& why) {
  for (auto& one : feeds_) one->leave(why);
}

}  // namespace troupe
