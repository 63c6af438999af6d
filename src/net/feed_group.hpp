// The feeds of one call: several prompts, or several answers to one. Whoever reads waits for any of
// them.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "net/feed.hpp"

namespace troupe {

class feed_group {
 public:
  struct news {
    std::size_t choice = 0;  // index into the orders
    answer_piece piece;
  };

  // Submits all. Construct, use and destroy it on `home.strand`; a reader that stops reading
  // cancels.
  feed_group(caf::actor_system& system, const strand_home& home, std::vector<feed_order> orders);
  // As well; tells `arrived`, which several groups may share, instead of whoever waits in `next`.
  feed_group(caf::actor_system& system, const strand_home& home, std::vector<feed_order> orders,
             std::shared_ptr<strand_event> arrived);

  // The next thing that any answer has to tell, in turns. Not to be called once all have ended.
  asio::awaitable<news> next();
  // The same without waiting, and the wait alone.
  std::optional<news> poll();
  asio::awaitable<void> wait() { return arrived_->wait(); }
  // The queue has all of them.
  bool is_accepted() const;
  bool has_failed() const;
  bool is_over() const { return num_open_ == 0; }
  std::size_t size() const { return feeds_.size(); }
  // Ends every answer from this side and frees what the engine holds for it.
  void leave(const failure& why);

 private:
  std::shared_ptr<strand_event> arrived_;
  std::vector<std::unique_ptr<feed>> feeds_;
  std::size_t num_open_;
  std::size_t turn_ = 0;  // who is looked at first
};

}  // namespace troupe
