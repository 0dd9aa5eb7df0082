#include "model/ops/gpu/resident.h"

#include <algorithm>

#include <ATen/ops/from_blob.h>

#include "base/check.h"

namespace preferd::gpu {
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

}  // namespace

StoredCopy upload(const quant::Matrix& matrix, at::Device device) {
  StoredCopy copy;
  Uploader upload(copy, device);
  kernels::cuda::StoredMatrix& m = copy.matrix;
  m.rows = matrix.rows;
  m.cols = matrix.cols;
  const auto count = static_cast<std::size_t>(matrix.rows * matrix.cols);
  if (const auto* dense = std::get_if<quant::Dense>(&matrix.form)) {
    m.form = stored_as(dense->dtype);
    m.data = upload.bytes(dense->data, count * quant::size_of(dense->dtype));
  } else if (const auto* row = std::get_if<quant::Int8Row>(&matrix.form)) {
    m.form = Stored::kInt8Row;
    m.data = upload.bytes(row->codes, count);
    m.scale = upload.values(row->scale, static_cast<std::size_t>(matrix.rows));
  } else {
    const auto& block = std::get<quant::Block4>(matrix.form);
    const std::size_t blocks = ops::ceil_div(count, static_cast<std::size_t>(block.block));
    m.form = Stored::kBlock4;
    m.data = upload.bytes(block.codes, ops::ceil_div(count, 2));
    std::copy(block.code.begin(), block.code.end(), m.code);
    m.rounding = stored_as(block.dtype);
    m.block = block.block;
    m.nested_block = block.nested_block;
    m.offset = block.offset;
    m.scale = upload.values(block.absmax, blocks);
    if (block.absmax == nullptr) {
      m.absmax8 = upload.values(block.absmax8, blocks);
      m.nested_absmax = upload.values(block.nested_absmax,
                                      ops::ceil_div(blocks, static_cast<std::size_t>(block.nested_block)));
      m.nested_code = upload.values(block.nested_code, 256);
    }
  }
  return copy;
}

}  // namespace preferd::gpu
