#include "simt/machine.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "simt/fiber.hpp"

namespace simt {
namespace {

enum class thread_state : std::uint8_t { ready, in_warp, in_barrier, done };

struct pending_copy {
  std::byte* target;
  const void* source;
};
using copy_group = std::vector<pending_copy>;

struct warp {
  lane_inputs inputs{};
  lane_outputs outputs{};
  warp_instruction instruction = nullptr;
  unsigned site = 0;
  unsigned num_arrived = 0;
  unsigned num_ready = 0;
  unsigned slowness = 0;  // it runs in one of so many passes more
};

struct block;

struct thread {
  fiber stack;
  thread_state state = thread_state::done;
  block* home = nullptr;
  dim3 index;
  unsigned number = 0;
  copy_group open;
  std::vector<copy_group> groups;  // committed, oldest first
  copy_group awaited;              // not seen before the next barrier
};

struct launch {
  launch_shape shape;
  std::function<void()> body;
};

constexpr std::size_t guard_bytes = 256;

struct block {
  const launch* origin = nullptr;
  dim3 index;
  std::vector<std::byte> shared;  // followed by a guard
  std::byte* shared_base = nullptr;
  std::vector<thread*> threads;
  std::vector<warp> warps;
  unsigned num_done = 0;
  unsigned num_in_barrier = 0;
  unsigned slowness = 0;  // as a warp's
  std::unique_ptr<block_unit> unit;
};

warp& warp_of(const thread& one) { return one.home->warps[one.number / warp_size]; }

// splitmix64: the order of the threads, not a statistic.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) : state_(seed) {}
  std::uint32_t below(std::uint32_t bound) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = (state_ ^ (state_ >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return static_cast<std::uint32_t>((z >> 33U) % bound);
  }

 private:
  std::uint64_t state_;
};

class machine {
 public:
  bool run(const launch_shape& shape, const std::function<void()>& body);
  bool run_together(const std::function<void()>& launches);
  void execute(warp_instruction instruction, unsigned site, unsigned mask, const void* input,
               void* output);
  void barrier();
  void wait(thread_state state);
  void give_way();
  [[noreturn]] void fault(const char* reason);
  [[noreturn]] void fault_of_lines(unsigned first, unsigned second);
  [[noreturn]] void stop();
  void reveal_copies();

  thread* current = nullptr;
  std::string last_fault;
  random_source random{1};

 private:
  static void thread_main(void* self);
  static bool fits(const launch_shape& shape);
  void admit(const launch& origin, const dim3& index);
  bool run_resident();
  void run_lanes(block& resident, std::uint32_t warp_idx);
  bool pass_over(block& resident);
  void check_end(const block& resident);
  static bool arrange(block& resident);
  bool finish();

  std::vector<std::unique_ptr<thread>> pool_;
  std::vector<std::unique_ptr<block>> resident_;
  std::vector<launch> pending_;
  std::size_t num_threads_ = 0;  // of the pool, in use
  std::uint64_t num_times_given_way_ = 0;
  bool is_collecting_ = false;
  bool is_running_ = false;
};

machine& the_machine() {
  static machine only;
  return only;
}

bool machine::fits(const launch_shape& shape) {
  const std::uint64_t threads = std::uint64_t{shape.block.x} * shape.block.y * shape.block.z;
  const bool has_blocks = shape.grid.x > 0 && shape.grid.y > 0 && shape.grid.z > 0;
  return has_blocks && shape.grid.y < 65536 && shape.grid.z < 65536 && threads > 0 &&
         threads <= 1024 && shape.shared_bytes <= max_shared_bytes;
}

void machine::thread_main(void* self) {
  auto* me = static_cast<thread*>(self);
  me->home->origin->body();
  me->state = thread_state::done;
  ++me->home->num_done;
  --warp_of(*me).num_ready;
  me->stack.leave();
}

void machine::admit(const launch& origin, const dim3& index) {
  auto made = std::make_unique<block>();
  made->origin = &origin;
  made->index = index;
  made->shared.assign(origin.shape.shared_bytes + guard_bytes + 128, std::byte{0xFF});
  const auto start = reinterpret_cast<std::uintptr_t>(made->shared.data());
  made->shared_base = made->shared.data() + (128 - start % 128) % 128;
  const dim3& size = origin.shape.block;
  const unsigned count = size.x * size.y * size.z;
  made->warps.resize((count + warp_size - 1) / warp_size);
  // Some warps run far ahead of others: they show what those have not written yet.
  constexpr std::array<unsigned, 4> slowness{0, 0, 2, 9};
  made->slowness = slowness[random.below(slowness.size())];
  for (warp& one : made->warps) one.slowness = slowness[random.below(slowness.size())];
  for (unsigned i = 0; i < count; ++i) {
    if (num_threads_ == pool_.size()) pool_.push_back(std::make_unique<thread>());
    thread& one = *pool_[num_threads_++];
    one.state = thread_state::ready;
    one.home = made.get();
    one.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    one.number = i;
    one.open.clear();
    one.groups.clear();
    one.awaited.clear();
    one.stack.start(&thread_main, &one);
    made->threads.push_back(&one);
    ++made->warps[i / warp_size].num_ready;
  }
  resident_.push_back(std::move(made));
}

// Each lane that can run does so until it meets the others, in random order.
void machine::run_lanes(block& resident, std::uint32_t warp_idx) {
  const std::uint32_t first = random.below(warp_size);
  const std::uint32_t stride = 2 * random.below(warp_size / 2) + 1;  // odd: meets every lane
  for (std::uint32_t l = 0; l < warp_size && last_fault.empty(); ++l) {
    const std::uint32_t number = warp_idx * warp_size + (first + l * stride) % warp_size;
    if (number >= resident.threads.size()) continue;
    thread& one = *resident.threads[number];
    if (one.state != thread_state::ready) continue;
    current = &one;
    one.stack.enter();
  }
  current = nullptr;
}

// Warps come in random order and go on for a random while. False: no thread can run.
bool machine::pass_over(block& resident) {
  if (resident.unit != nullptr && resident.unit->advance()) num_times_given_way_ = 0;
  const auto num_warps = static_cast<std::uint32_t>(resident.warps.size());
  const std::uint32_t first_warp = random.below(num_warps);
  bool can_run = false;
  bool has_run = false;
  for (std::uint32_t w = 0; w < 2 * num_warps && last_fault.empty(); ++w) {
    // The second time round only if all that can run were skipped.
    if (w >= num_warps && has_run) break;
    const std::uint32_t index = (first_warp + w) % num_warps;
    warp& one = resident.warps[index];
    if (one.num_ready == 0) continue;
    can_run = true;
    if (w < num_warps && random.below(one.slowness + 1) != 0) continue;
    has_run = true;
    constexpr std::uint32_t most_rounds = 24;
    for (std::uint32_t rounds = random.below(most_rounds) + 1; rounds > 0 && one.num_ready > 0;
         --rounds) {
      run_lanes(resident, index);
    }
  }
  return can_run;
}

// The barrier opens when every thread is there that has not ended.
bool machine::arrange(block& resident) {
  const bool is_done = resident.num_done == resident.threads.size();
  if (is_done) return true;
  if (resident.num_in_barrier + resident.num_done != resident.threads.size()) return false;
  resident.num_in_barrier = 0;
  for (thread* one : resident.threads) {
    if (one->state != thread_state::in_barrier) continue;
    one->state = thread_state::ready;
    ++warp_of(*one).num_ready;
  }
  return true;
}

void machine::check_end(const block& resident) {
  const std::byte* end = resident.shared_base + resident.origin->shape.shared_bytes;
  const bool is_whole =
      std::all_of(end, end + guard_bytes, [](std::byte b) { return b == std::byte{0xFF}; });
  if (!is_whole) last_fault = "a write past the end of shared memory";
  const char* unfinished = resident.unit != nullptr ? resident.unit->finish() : nullptr;
  if (last_fault.empty() && unfinished != nullptr) last_fault = unfinished;
}

bool machine::run_resident() {
  while (!resident_.empty() && last_fault.empty()) {
    bool can_run = false;
    for (const auto& one : resident_) {
      if (!last_fault.empty()) break;
      // Some blocks run far ahead of others, too.
      if (resident_.size() > 1 && random.below(one->slowness + 1) != 0) {
        can_run = true;
        continue;
      }
      can_run = pass_over(*one) || can_run;
      can_run = arrange(*one) || can_run;
    }
    if (!can_run && last_fault.empty()) {
      last_fault = "a deadlock: a barrier or warp instruction that some threads never reach";
    }
    for (const auto& one : resident_) {
      if (one->num_done == one->threads.size() && last_fault.empty()) check_end(*one);
    }
    std::erase_if(resident_, [](const auto& one) { return one->num_done == one->threads.size(); });
    if (resident_.empty()) num_threads_ = 0;
  }
  return finish();
}

bool machine::finish() {
  num_times_given_way_ = 0;
  resident_.clear();
  num_threads_ = 0;
  current = nullptr;
  return last_fault.empty();
}

bool machine::run(const launch_shape& shape, const std::function<void()>& body) {
  last_fault.clear();
  if (!fits(shape)) {
    last_fault = "a shape that no GPU takes";
    return false;
  }
  if (is_collecting_) {
    pending_.push_back({shape, body});
    return true;
  }
  const launch origin{shape, body};
  const std::uint64_t count = std::uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  const std::uint64_t first = random.below(static_cast<std::uint32_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto at = static_cast<unsigned>((first + i) % count);
    admit(origin,
          {at % shape.grid.x, at / shape.grid.x % shape.grid.y, at / shape.grid.x / shape.grid.y});
    if (!run_resident()) return false;
  }
  return true;
}

bool machine::run_together(const std::function<void()>& launches) {
  is_collecting_ = true;
  launches();
  is_collecting_ = false;
  last_fault.clear();
  for (const launch& origin : pending_) {
    const dim3& grid = origin.shape.grid;
    for (unsigned i = 0; i < grid.x * grid.y * grid.z; ++i) {
      admit(origin, {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y});
    }
  }
  const bool is_done = run_resident();
  pending_.clear();
  return is_done;
}

void machine::fault(const char* reason) {
  if (last_fault.empty()) {
    last_fault = std::string(reason) + " (block " + std::to_string(current->home->index.x) +
                 ", thread " + std::to_string(current->number) + ")";
  }
  stop();
}

void machine::fault_of_lines(unsigned first, unsigned second) {
  last_fault =
      "lanes of one warp at lines " + std::to_string(first) + " and " + std::to_string(second);
  stop();
}

void machine::stop() {
  current->state = thread_state::done;
  current->stack.leave();
  __builtin_unreachable();
}

void machine::wait(thread_state state) {
  thread* me = current;
  me->state = state;
  if (state != thread_state::ready) --warp_of(*me).num_ready;
  me->stack.leave();
}

// A thread may wait for what never comes.
void machine::give_way() {
  constexpr std::uint64_t patience = 1U << 22U;
  if (++num_times_given_way_ > patience) fault("threads that wait for ever");
  wait(thread_state::ready);
}

void machine::reveal_copies() {
  for (const pending_copy& copy : current->awaited) std::memcpy(copy.target, copy.source, 16);
  current->awaited.clear();
}

void machine::barrier() {
  reveal_copies();
  ++current->home->num_in_barrier;
  wait(thread_state::in_barrier);
}

void machine::execute(warp_instruction instruction, unsigned site, unsigned mask, const void* input,
                      void* output) {
  block& home = *current->home;
  warp& mine = warp_of(*current);
  const unsigned lane = current->number % warp_size;
  if (mask != ~0U) fault("a warp instruction for some lanes only");
  if (mine.num_arrived > 0 && (mine.instruction != instruction || mine.site != site)) {
    fault_of_lines(mine.site, site);
  }
  mine.instruction = instruction;
  mine.site = site;
  mine.inputs[lane] = input;
  mine.outputs[lane] = output;
  if (++mine.num_arrived < warp_size) {
    wait(thread_state::in_warp);
    return;
  }
  instruction(mine.inputs, mine.outputs);
  mine.num_arrived = 0;
  mine.num_ready = warp_size;
  const unsigned first = current->number - lane;
  for (unsigned l = 0; l < warp_size; ++l) home.threads[first + l]->state = thread_state::ready;
}

}  // namespace

const dim3& thread_index() { return the_machine().current->index; }
const dim3& block_index() { return the_machine().current->home->index; }
const dim3& block_size() { return the_machine().current->home->origin->shape.block; }
const dim3& grid_size() { return the_machine().current->home->origin->shape.grid; }
unsigned lane_index() { return the_machine().current->number % warp_size; }
unsigned warp_index() { return the_machine().current->number / warp_size; }
std::byte* shared_memory() { return the_machine().current->home->shared_base; }

void block_barrier() { the_machine().barrier(); }
void let_others_run() { the_machine().give_way(); }
void fault(const char* reason) { the_machine().fault(reason); }

void warp_execute(warp_instruction instruction, unsigned site, unsigned mask, const void* input,
                  void* output) {
  the_machine().execute(instruction, site, mask, input, output);
}

void warp_barrier(unsigned site, unsigned mask) {
  the_machine().reveal_copies();
  const int nothing = 0;
  the_machine().execute([](const lane_inputs&, const lane_outputs&) {}, site, mask, &nothing,
                        nullptr);
}

std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(static_cast<const std::byte*>(p) - shared_memory());
}

std::byte* shared_at(std::uint32_t address, std::size_t bytes) {
  if (address + bytes > shared_bytes()) fault("an access past the end of shared memory");
  if (address % bytes != 0) fault("an access to shared memory that is not aligned");
  return shared_memory() + address;
}

std::size_t shared_bytes() { return the_machine().current->home->origin->shape.shared_bytes; }
void reveal_copies() { the_machine().reveal_copies(); }
std::uint32_t random_below(std::uint32_t bound) { return the_machine().random.below(bound); }

block_unit& unit_of_block(std::unique_ptr<block_unit> (*make)()) {
  std::unique_ptr<block_unit>& unit = the_machine().current->home->unit;
  if (unit == nullptr) unit = make();
  return *unit;
}

void copy_16(std::uint32_t target, const void* source) {
  if (reinterpret_cast<std::uintptr_t>(source) % 16 != 0) fault("a copy that is not aligned");
  std::byte* place = shared_at(target, 16);
  std::memset(place, 0xFF, 16);
  the_machine().current->open.push_back({place, source});
}

void commit_copies() {
  thread& me = *the_machine().current;
  me.groups.push_back(std::exchange(me.open, {}));
}

void await_copies(unsigned groups_left) {
  thread& me = *the_machine().current;
  while (me.groups.size() > groups_left) {
    me.awaited.insert(me.awaited.end(), me.groups.front().begin(), me.groups.front().end());
    me.groups.erase(me.groups.begin());
  }
}

bool run(const launch_shape& shape, const std::function<void()>& body) {
  return the_machine().run(shape, body);
}
namespace {
launch_taker taker_of_launches = nullptr;
}
void give_launches_to(launch_taker taker) { taker_of_launches = taker; }
bool submit(CUstream_st* stream, const launch_shape& shape, std::function<void()> body) {
  if (taker_of_launches == nullptr || stream == nullptr) return run(shape, body);
  return taker_of_launches(stream, shape, std::move(body));
}
bool run_together(const std::function<void()>& launches) {
  return the_machine().run_together(launches);
}
const std::string& last_fault() { return the_machine().last_fault; }
void seed(std::uint64_t value) { the_machine().random = random_source{value}; }

}  // namespace simt
