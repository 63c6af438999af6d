// A library that is loaded when it is first needed, so that a program which could use it starts
// without it.
#pragma once
#include <string>
#include <vector>

namespace troupe::cuda {

class shared_library {
 public:
  // Tries the names in order, first as they are, then in the folders where CUDA is installed
  // (CUDA_HOME, CUDA_PATH, /usr/local/cuda). Throws device_error with what the loader said. The
  // library stays loaded to the end of the process: it may have threads of its own.
  shared_library(std::string what, const std::vector<std::string>& names);

  // Throws device_error if the library lacks the symbol.
  template <class Function>
  void find(const char* symbol, Function*& target) const {
    target = reinterpret_cast<Function*>(address_of(symbol));
  }

 private:
  void* address_of(const char* symbol) const;

  std::string what_;
  void* handle_ = nullptr;
};

}  // namespace troupe::cuda
