#include "simt/fiber.hpp"

#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#include <cstdint>
#include <new>

namespace simt {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t stack_bytes = 32 * page_bytes;

// Where a stack switch goes to and comes from.
#if defined(__x86_64__)
struct context {
  void* stack_pointer = nullptr;
};
#else
using context = ucontext_t;
#endif

}  // namespace

struct fiber::state {
  state();
  ~state() { munmap(stack, stack_bytes); }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  std::byte* stack = nullptr;
  std::size_t top = stack_bytes;
  context inside;
  context outside;
  void (*entry)(void*) = nullptr;
  void* argument = nullptr;
  // What the address sanitizer wants to know of the stack that enter() was called on.
  const void* outer_stack = nullptr;
  std::size_t outer_stack_bytes = 0;
};

// The lowest page stays closed, so that an overflow is a crash and no riddle.
fiber::state::state() {
  void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack = static_cast<std::byte*>(memory);
  mprotect(stack, page_bytes, PROT_NONE);
  // Stacks that begin at equal distances would share few sets of the caches.
  static std::size_t num_made = 0;
  top -= num_made++ * 448 % (2 * page_bytes);
}

#if defined(__x86_64__)
// Saves the registers that a call keeps, changes the stack and takes those of the other one.
extern "C" void simt_switch_stack(void** save, void* next);
asm(R"(
.text
.type simt_switch_stack, @function
simt_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch_stack, . - simt_switch_stack
)");
#endif

namespace {

// The first function on every stack takes its arguments from here.
void (*next_entry)(void*) = nullptr;
void* next_argument = nullptr;
#if defined(__SANITIZE_ADDRESS__)
const void** next_outer_stack = nullptr;
std::size_t* next_outer_stack_bytes = nullptr;
#endif

void first_function() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, next_outer_stack, next_outer_stack_bytes);
#endif
  next_entry(next_argument);
  __builtin_trap();
}

void prepare(context& made, std::byte* stack, std::size_t top_offset) {
#if defined(__x86_64__)
  auto* top = reinterpret_cast<std::uintptr_t*>(stack + top_offset);
  // As if first_function had been called: the return address below a stack of 16-byte alignment.
  *--top = 0;
  *--top = reinterpret_cast<std::uintptr_t>(&first_function);
  for (int saved = 0; saved < 6; ++saved) *--top = 0;
  made.stack_pointer = top;
#else
  getcontext(&made);
  made.uc_stack.ss_sp = stack + page_bytes;
  made.uc_stack.ss_size = top_offset - page_bytes;
  made.uc_link = nullptr;
  makecontext(&made, &first_function, 0);
#endif
}

void change(context& from, context& to) {
#if defined(__x86_64__)
  simt_switch_stack(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from, &to);
#endif
}

}  // namespace

fiber::fiber() : state_(std::make_unique<state>()) {}
fiber::~fiber() = default;
fiber::fiber(fiber&&) noexcept = default;
fiber& fiber::operator=(fiber&&) noexcept = default;

void fiber::start(void (*entry)(void*), void* argument) {
  state_->entry = entry;
  state_->argument = argument;
#if defined(__SANITIZE_ADDRESS__)
  // A launch that failed left its frames, and what the sanitizer marked in them.
  __asan_unpoison_memory_region(state_->stack + page_bytes, stack_bytes - page_bytes);
#endif
  prepare(state_->inside, state_->stack, state_->top);
}

void fiber::enter() {
  next_entry = state_->entry;
  next_argument = state_->argument;
#if defined(__SANITIZE_ADDRESS__)
  next_outer_stack = &state_->outer_stack;
  next_outer_stack_bytes = &state_->outer_stack_bytes;
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, state_->stack + page_bytes, stack_bytes - page_bytes);
#endif
  change(state_->outside, state_->inside);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void fiber::leave() {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, state_->outer_stack, state_->outer_stack_bytes);
#endif
  change(state_->inside, state_->outside);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, &state_->outer_stack, &state_->outer_stack_bytes);
#endif
}

}  // namespace simt
