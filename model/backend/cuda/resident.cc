#include "model/backend/cuda/resident.h"

#include <algorithm>

#include <ATen/ops/from_blob.h>

#include "base/check.h"

namespace preferd::backend::cuda {
namespace {

using kernels::cuda::Stored;

Stored stored_as(quant::DType type) {
  switch (type) {
    case quant::DType::kF16: return Stored::kF16;
    case quant::DType::kBF16: return Stored::kBF16;
    default: PREFERD_CHECK(type == quant::DType::kF32); return Stored::kF32;
  }
}

class Uploader {
 public:
  Uploader(StoredCopy& to, at::Device device) : to_(to), device_(device) {}

  const void* bytes(const void* from, std::size_t count) {
    const auto size = static_cast<std::int64_t>(count);
    to_.memory.push_back(at::from_blob(const_cast<void*>(from), {size}, at::kByte).to(device_));
    return to_.memory.back().data_ptr();
  }

  template <class T>
  const T* values(const T* from, std::size_t count) {
    return from == nullptr ? nullptr : static_cast<const T*>(bytes(from, count * sizeof(T)));
  }

 private:
  StoredCopy& to_;
  at::Device device_;
};

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// One overload for each stored form: uploads what the kernels read of it.

std::size_t count_of(const kernels::cuda::StoredMatrix& m) {
  return static_cast<std::size_t>(m.rows * m.cols);
}

void describe(const quant::Dense& dense, Uploader& upload, kernels::cuda::StoredMatrix& m) {
  m.form = stored_as(dense.dtype);
  m.data = upload.bytes(dense.data, count_of(m) * quant::size_of(dense.dtype));
}

void describe(const quant::Int8Row& row, Uploader& upload, kernels::cuda::StoredMatrix& m) {
  m.form = Stored::kInt8Row;
  m.data = upload.bytes(row.codes, count_of(m));
  m.scale = upload.values(row.scale, static_cast<std::size_t>(m.rows));
}

void describe(const quant::Block4& block, Uploader& upload, kernels::cuda::StoredMatrix& m) {
  const std::size_t blocks = ceil_div(count_of(m), static_cast<std::size_t>(block.block));
  m.form = Stored::kBlock4;
  m.data = upload.bytes(block.codes, ceil_div(count_of(m), 2));
  std::copy(block.code.begin(), block.code.end(), m.code);
  m.rounding = stored_as(block.dtype);
  m.block = block.block;
  m.nested_block = block.nested_block;
  m.offset = block.offset;
  m.scale = upload.values(block.absmax, blocks);
  if (block.absmax != nullptr) return;
  m.absmax8 = upload.values(block.absmax8, blocks);
  m.nested_absmax =
      upload.values(block.nested_absmax, ceil_div(blocks, static_cast<std::size_t>(block.nested_block)));
  m.nested_code = upload.values(block.nested_code, 256);
}

}  // namespace

StoredCopy upload(const quant::Matrix& matrix, at::Device device) {
  StoredCopy copy;
  Uploader upload(copy, device);
  kernels::cuda::StoredMatrix& m = copy.matrix;
  m.rows = matrix.rows;
  m.cols = matrix.cols;
  std::visit([&](const auto& form) { describe(form, upload, m); }, matrix.form);
  return copy;
}

}  // namespace preferd::backend::cuda
