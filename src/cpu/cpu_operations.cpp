// The operations of one forward pass: which thread computes what. The arithmetic is in kernels.hpp.
#include <algorithm>
#include <cmath>

#include "cpu/cpu_device.hpp"

namespace troupe {
namespace {

// A device is given what it made itself.
const packed_matrix& packed(const device_matrix& m) { return static_cast<const packed_matrix&>(m); }
const float* values(const device_vector& v) { return static_cast<const cpu_vector&>(v).data(); }

float* row_of(activation x, std::size_t row) { return static_cast<float*>(x.data) + row * x.width; }

}  // namespace

void cpu_device::embed(const device_matrix& table, activation x) {
  pool_.parallel_for(num_rows(), [&](std::uint32_t row, std::uint32_t) {
    const token_id token = tokens_[row] == last_sampled ? last_sampled_[slots_[row]] : tokens_[row];
    packed(table).copy_row(static_cast<std::uint32_t>(token), row_of(x, row));
  });
}

void cpu_device::norm_row(const float* addend, activation residual, std::uint32_t row,
                          const device_vector& weight, float eps, std::uint32_t* out) {
  kernels::add_rms_norm({addend, row_of(residual, row), values(weight), residual.width, eps},
                        operand_type(), out);
}

void cpu_device::add_rms_norm(const activation* addend, activation residual,
                              const device_vector& weight, float eps, activation out) {
  pool_.parallel_for(num_rows(), [&](std::uint32_t row, std::uint32_t) {
    norm_row(addend != nullptr ? row_of(*addend, row) : nullptr, residual, row, weight, eps,
             operand_row(out, row));
  });
}

void cpu_device::norm_logit_rows(activation addend, activation residual,
                                 const device_vector& weight, float eps, activation out) {
  pool_.parallel_for(num_logit_rows(), [&](std::uint32_t i, std::uint32_t) {
    const std::uint32_t row = logit_rows_[i];
    norm_row(row_of(addend, row), residual, row, weight, eps, operand_row(out, i));
  });
}

kernels::linear_args cpu_device::product(activation x, std::uint32_t rows,
                                         const device_matrix& matrix, const device_vector* bias,
                                         activation out) {
  kernels::linear_args args;
  args.x = operand_row(x, 0);
  args.x_stride = kernels::operand_stride(x.width, operand_type());
  args.num_rows = rows;
  args.matrix = &packed(matrix);
  args.bias = bias != nullptr ? values(*bias) : nullptr;
  args.out = row_of(out, 0);
  args.out_stride = out.width;
  if (is_quantized()) {
    args.x = quantized_.data();
    args.x_stride = kernels::quantized_stride(x.width);
    pool_.parallel_for(rows, [&](std::uint32_t row, std::uint32_t) {
      kernels::quantize_operand(row_of(x, row), x.width, quantized_.data() + row * args.x_stride);
    });
  }
  return args;
}

void cpu_device::linear(activation x, const device_matrix& matrix, const device_vector* bias,
                        activation out) {
  kernels::linear(product(x, num_rows(), matrix, bias, out), pool_);
}

void cpu_device::logits(activation x, const device_matrix& head, activation out) {
  kernels::linear_args args = product(x, num_logit_rows(), head, nullptr, out);
  // Rows that are still to be gathered are read at once.
  if (has_whole_rows(out.width)) {
    args.maxima = {maxima_.data(), options_.sampling.num_tokens};
    args.is_streamed = out.width % tile_width == 0;
  }
  kernels::linear(args, pool_);
}

// Feature i rotates with feature i + head_dim / 2.
void cpu_device::rotate(float* head, std::uint32_t row) const {
  const std::uint32_t half = options_.head_dim / 2;
  const rope_view& table = options_.ropes[static_cast<std::size_t>(ropes_[row])];
  const float* cos = table.cos.data() + std::size_t{positions_[row]} * half;
  const float* sin = table.sin.data() + std::size_t{positions_[row]} * half;
  for (std::uint32_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[i + half];
    head[i] = a * cos[i] - b * sin[i];
    head[i + half] = b * cos[i] + a * sin[i];
  }
}

void cpu_device::rope_kv_write_row(std::uint32_t layer, std::uint32_t row, float* qkv) {
  const std::uint32_t dim = options_.head_dim;
  const std::uint32_t q_size = options_.num_q_heads * dim;
  const std::uint32_t kv_size = options_.num_kv_heads * dim;
  for (std::uint32_t i = 0; i < q_size + kv_size; i += dim) rotate(qkv + i, row);
  for (std::uint32_t i = 0; i < q_size; i += dim) {
    auto* query = reinterpret_cast<std::uint32_t*>(qkv + i);
    if (options_.kv == kv_type::int8) {
      kernels::quantize_query(qkv + i, dim, query);
    } else {
      kernels::make_operand(qkv + i, dim, dtype_of(options_.kv), query);
    }
  }
  const std::uint32_t place = positions_[row] % page_size_tokens;
  for (std::uint32_t h = 0; h < options_.num_kv_heads; ++h) {
    const float* key = qkv + q_size + std::size_t{h} * dim;
    pages_.write(layer, row_pages_[row], h, place, key, key + kv_size);
  }
}

void cpu_device::rope_kv_write(std::uint32_t layer, activation qkv) {
  pool_.parallel_for(num_rows(), [&](std::uint32_t row, std::uint32_t) {
    rope_kv_write_row(layer, row, row_of(qkv, row));
  });
}

void cpu_device::attend(std::uint32_t layer, const attention_task& task, std::uint32_t kv_head,
                        activation qkv, activation out, kernels::attention_scratch& scratch) {
  const std::uint32_t dim = options_.head_dim;
  const std::uint32_t group = options_.num_q_heads / options_.num_kv_heads;
  const std::uint32_t first_row = task.chunk.first_row + task.first_row;
  for (std::uint32_t i = 0; i < task.num_rows * group; ++i) {
    const std::uint32_t head = kv_head * group + i % group;
    const float* query = row_of(qkv, first_row + i / group) + std::size_t{head} * dim;
    scratch.queries[i] = reinterpret_cast<const std::uint32_t*>(query);
    scratch.positions[i] = task.chunk.first_position + task.first_row + i / group;
  }
  kernels::attention(
      {task.num_rows * group, dim, 1.0F / std::sqrt(static_cast<float>(dim)), options_.kv,
       pages_.keys(layer, kv_head), pages_.values(layer, kv_head), pages_.shape().key_stride(),
       pages_.shape().value_stride(), pages_.shape().key_words(), pages_.shape().value_words(),
       page_table_.data() + task.chunk.first_page_idx},
      scratch);
  for (std::uint32_t i = 0; i < task.num_rows * group; ++i) {
    const std::uint32_t head = kv_head * group + i % group;
    std::uint32_t* target = operand_row(out, first_row + i / group);
    kernels::make_operand(
        scratch.out_row(i, dim), dim, operand_type(),
        target + std::size_t{head} * dim / kernels::elements_per_word(operand_type()));
  }
}

void cpu_device::attention(std::uint32_t layer, activation qkv, activation out) {
  const std::uint32_t heads = options_.num_kv_heads;
  const auto count = static_cast<std::uint32_t>(attention_tasks_.size()) * heads;
  pool_.parallel_for(count, [&](std::uint32_t i, std::uint32_t thread_idx) {
    attend(layer, attention_tasks_[i / heads], i % heads, qkv, out,
           scratch_[thread_idx]->attention);
  });
}

void cpu_device::silu_mul(activation gate_up, activation out) {
  pool_.parallel_for(num_rows(), [&](std::uint32_t row, std::uint32_t) {
    const float* gate = row_of(gate_up, row);
    kernels::silu_mul(gate, gate + out.width, out.width, operand_type(), operand_row(out, row));
  });
}

void cpu_device::all_reduce(communicator& ranks, activation x) {
  auto& host = static_cast<host_communicator&>(ranks);
  host.all_reduce(static_cast<float*>(x.data), std::size_t{num_rows()} * x.width);
}

}  // namespace troupe
