#include "net/bridge.hpp"

#include <boost/asio/post.hpp>

namespace troupe {

strand_unit::strand_unit(caf::actor_system& system, const strand_home& home)
    : caf::execution_unit(&system),
      strand_(home.strand),
      house_(home.house),
      inbox_(home.inbox),
      presence_(home.house) {}

void strand_unit::exec_later(caf::resumable* job) {
  // What the hosted actor sends to wakes up on CAF's own threads.
  if (job->subtype() != caf::resumable::io_actor) {
    system().scheduler().enqueue(job);
    return;
  }
  // The strand may run the job, and its last guest leave, before post returns here on another
  // thread with copies of the strand in its hands: who posts is a guest, too.
  head_count::guest poster(house_);
  // The caller hands over one reference, so the actor, and with it this unit, outlives its turn.
  if (auto inbox = inbox_)
    inbox->push(this, job);
  else
    asio::post(strand_, [this, job] { run(job); });
}

void strand_unit::run(caf::resumable* job) {
  if (job->resume(this, max_messages_per_turn) == caf::resumable::resume_later)
    exec_later(job);
  else
    caf::intrusive_ptr_release(job);
}

void strand_unit::leave() {
  strand_ = {};
  inbox_ = nullptr;
  presence_.leave();
}

void forget_actor_system() { caf::logger::set_current_actor_system(nullptr); }

}  // namespace troupe
