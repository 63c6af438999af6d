// What the measurements of whole models share.
#pragma once
#include "cpu/cpu_runner.hpp"
#include "half_billion.hpp"

#include <stdexcept>
#include <string_view>

namespace troupe::bench {

template <class T>
T value_of(outcome<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

inline weight_format format_of(std::string_view name) {
  if (name == "int4") return weight_format::int4;
  return name == "int8" ? weight_format::int8 : weight_format::plain;
}

}  // namespace troupe::bench
