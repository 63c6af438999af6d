#include "net/feed_group.hpp"

#include <utility>

namespace troupe {

feed_group::feed_group(caf::actor_system& system, const strand_home& home,
                       std::vector<feed_order> orders)
    : arrived_(std::make_shared<strand_event>(home.strand)), num_open_(orders.size()) {
  for (auto& order : orders)
    feeds_.push_back(std::make_unique<feed>(system, home, arrived_, std::move(order)));
}

asio::awaitable<feed_group::news> feed_group::next() {
  for (;;) {
    for (std::size_t i = 0; i < feeds_.size(); ++i) {
      auto choice = (turn_ + i) % feeds_.size();
      if (!feeds_[choice]->has_news()) continue;
      turn_ = choice + 1;
      news out{choice, feeds_[choice]->take()};
      if (out.piece.end) --num_open_;
      co_return out;
    }
    co_await arrived_->wait();
  }
}

void feed_group::leave(const failure& why) {
  for (auto& one : feeds_) one->leave(why);
}

}  // namespace troupe
