// Multiplications by matrices that are too large to become bfloat16 at once, and what is chosen.
#include "cuda/gemm.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "fake_cuda.hpp"

using namespace troupe;
using namespace troupe::cuda;

namespace {

template <class T>
device_buffer upload(const std::vector<T>& values, cudaStream_t stream) {
  device_buffer out = make_device_buffer(values.size() * sizeof(T));
  copy_to_device(out.data(), values.data(), out.size(), stream);
  return out;
}

std::vector<float> floats_of(const device_buffer& buffer, cudaStream_t stream) {
  std::vector<float> out(buffer.size() / sizeof(float));
  copy_to_host(out.data(), buffer.data(), buffer.size(), stream);
  synchronize(stream);
  return out;
}

// Weights of bytes on the device, and one row for them.
struct byte_problem {
  byte_problem(std::uint32_t out_features, std::uint32_t in_features)
      : shape{out_features, in_features, false, true, true}, owner(make_stream()) {
    std::vector<std::int8_t> values(std::size_t{out_features} * in_features);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<std::int8_t>(static_cast<int>(i * 2654435761U >> 24U & 255U) - 128);
    }
    std::vector<float16> steps(std::size_t{out_features} * num_groups(in_features));
    for (std::size_t i = 0; i < steps.size(); ++i) {
      steps[i] = to_float16(1e-3F * static_cast<float>(1 + i % 7));
    }
    std::vector<bfloat16> row(in_features);
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = to_bfloat16(std::sin(static_cast<float>(i)));
    }
    weights = upload(values, stream());
    scales = upload(steps, stream());
    x = upload(row, stream());
    out = make_device_buffer(out_features * sizeof(float));
  }
  cudaStream_t stream() const { return owner.get(); }
  weight_view view() const {
    return {.bytes = weights.as<std::int8_t>(), .scales = scales.as<float16>()};
  }
  gemm_call call() const {
    return {.x = x.as<bf16>(), .weights = view(), .out = out.data(), .num_rows = 1};
  }

  gemm_shape shape;
  stream_owner owner;
  device_buffer weights;
  device_buffer scales;
  device_buffer x;
  device_buffer out;
};

}  // namespace

TEST_CASE("a matrix of bytes that becomes bfloat16 piece by piece gives what our kernel gives") {
  fake_cuda::use_emulator();
  const byte_problem problem(1800, 18944);
  gemm own(false, true);
  fake_cuda::reset_counts();
  own.run(problem.shape, problem.call(), problem.stream());
  const auto wanted = floats_of(problem.out, problem.stream());
  CHECK(fake_cuda::count().matmuls == 0);
  gemm pieces(true, true);
  pieces.run(problem.shape, problem.call(), problem.stream());
  const auto got = floats_of(problem.out, problem.stream());
  CHECK(fake_cuda::count().matmuls == 2);
  float largest = 0;
  for (const float x : wanted) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    REQUIRE(std::abs(got[i] - wanted[i]) < 1e-2F * largest);
  }
}

TEST_CASE("both ways with bytes are measured for every number of rows") {
  fake_cuda::use_emulator();
  const byte_problem problem(48, 272);
  gemm multiply(false, true);
  gemm_choices chosen;
  const weight_view weights = problem.view();
  const device_buffer x = make_device_buffer(128 * 272 * sizeof(bf16));
  const device_buffer out = make_device_buffer(128 * 48 * sizeof(float));
  multiply.choose(problem.shape, {&weights, 1}, {.x = x.as<bf16>(), .out = out.data()}, 100,
                  problem.stream(), chosen);
  CHECK(chosen.size() == 2);  // the matrix, and what it is expanded to
  for (const auto& [shape, of_rows] : chosen) {
    CHECK(of_rows.size() == 11);
    CHECK(of_rows.rbegin()->first == 100);
    for (const auto& [rows, choice] : of_rows) {
      CHECK(choice.microseconds > 0);
      CHECK((rows <= max_byte_linear_rows || !choice.is_skinny));
    }
  }
  // What was chosen is what is done.
  for (auto& [rows, choice] : chosen[problem.shape]) choice.is_skinny = false;
  multiply.use(std::make_shared<const gemm_choices>(chosen));
  fake_cuda::reset_counts();
  multiply.run(problem.shape, problem.call(), problem.stream());
  synchronize(problem.stream());
  CHECK(fake_cuda::count().matmuls == 1);
}
