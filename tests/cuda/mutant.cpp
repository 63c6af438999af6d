#include <cstdlib>

extern const int troupe_mutant;

namespace {

int chosen_mutant() {
  const char* number = std::getenv("TROUPE_MUTANT");
  return number != nullptr ? std::atoi(number) : 0;
}

}  // namespace

// Which of the mistakes of mutants.py the kernels make; 0: none.
const int troupe_mutant = chosen_mutant();
