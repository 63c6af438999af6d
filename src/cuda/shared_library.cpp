#include "cuda/shared_library.hpp"

#include <dlfcn.h>

#include <cstdlib>

#include "model/runner.hpp"

namespace troupe::cuda {
namespace {

std::vector<std::string> folders() {
  std::vector<std::string> out = {""};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* home = std::getenv(variable)) out.push_back(std::string(home) + "/lib64/");
  }
  out.emplace_back("/usr/local/cuda/lib64/");
  return out;
}

}  // namespace

shared_library::shared_library(std::string what, const std::vector<std::string>& names)
    : what_(std::move(what)) {
  std::string first_reason;
  for (const std::string& folder : folders()) {
    for (const std::string& name : names) {
      handle_ = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle_ != nullptr) return;
      const char* reason = dlerror();
      if (first_reason.empty() && reason != nullptr) first_reason = reason;
    }
  }
  throw device_error(what_ + " cannot be loaded: " + first_reason + ".");
}

void* shared_library::address_of(const char* symbol) const {
  void* address = dlsym(handle_, symbol);
  if (address == nullptr) throw device_error(what_ + " has no " + symbol + ".");
  return address;
}

}  // namespace troupe::cuda
