#include "model/convert/merged_tensor.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/files.h"

namespace preferd::convert {
namespace {

constexpr std::size_t kPiece = std::size_t{8} << 20;  // bytes of the result held at a time

std::vector<float> decoded(const quant::Matrix& m) {
  std::vector<float> values(static_cast<std::size_t>(m.rows * m.cols));
  for (std::int64_t row = 0; row < m.rows; ++row)
    quant::decode(m, row, 0, m.cols, values.data() + row * m.cols);
  return values;
}

std::vector<float> transposed(const std::vector<float>& m, std::int64_t rows, std::int64_t cols) {
  std::vector<float> out(m.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = m[static_cast<std::size_t>(r * cols + c)];
  return out;
}

void add_row(const RowDelta& delta, std::size_t row, std::size_t cols, std::vector<float>& sum, float* to) {
  std::fill(sum.begin(), sum.end(), 0.0f);
  for (std::size_t i = 0; i < static_cast<std::size_t>(delta.rank); ++i) {
    const float factor = delta.factors[row * static_cast<std::size_t>(delta.rank) + i];
    const float* basis = delta.basis.data() + i * cols;
    for (std::size_t c = 0; c < cols; ++c) sum[c] += factor * basis[c];
  }
  for (std::size_t c = 0; c < cols; ++c) to[c] += delta.scale * sum[c];
  if (!delta.gain.empty())
    for (std::size_t c = 0; c < cols; ++c) to[c] *= delta.gain[row];
}

// Returns false if a value does not fit.
bool narrow(quant::DType type, const float* from, std::size_t count, std::byte* to) {
  float check = 0;
  for (std::size_t i = 0; i < count; ++i) {
    check += quant::rounded_to(type, from[i]) * 0.0f;
    if (type == quant::DType::kF32) {
      std::memcpy(to + 4 * i, from + i, 4);
      continue;
    }
    const std::uint16_t bits = type == quant::DType::kBF16 ? quant::to_bf16(from[i]) : quant::to_f16(from[i]);
    std::memcpy(to + 2 * i, &bits, 2);
  }
  return check == 0.0f;
}

}  // namespace

RowDelta row_delta(const checkpoint::LoraWeights& projection, checkpoint::Role role) {
  const std::vector<float> a = decoded(projection.a), b = decoded(projection.b);
  if (role == checkpoint::Role::kEmbedding)
    return {projection.a.rows,
            transposed(a, projection.a.rows, projection.a.cols),
            transposed(b, projection.b.rows, projection.b.cols),
            projection.scale,
            {}};
  return {projection.a.rows, b, a, projection.scale,
          projection.dora ? projection.dora->gain : std::vector<float>()};
}

Status write_merged(const std::string& name, const checkpoint::StoredTensor& mapped, const RowDelta* delta,
                    quant::DType type, ThreadPool& pool, checkpoint::CheckpointWriter& out) {
  PREFERD_CHECK(quant::is_floating(mapped.dtype) && (delta == nullptr || mapped.shape.size() == 2));
  const auto all = static_cast<std::size_t>(mapped.elements());
  if (all == 0) return out.write(name, {});
  const std::size_t cols = static_cast<std::size_t>(mapped.shape.empty() ? 1 : mapped.shape.back());
  const std::size_t rows = all / cols, size = quant::size_of(mapped.dtype), width = quant::size_of(type);
  const std::size_t step = std::max<std::size_t>(1, kPiece / (cols * width));
  std::vector<std::byte> piece;
  for (std::size_t begin = 0; begin < rows; begin += step) {
    const std::size_t count = std::min(step, rows - begin);
    const auto source = mapped.bytes.subspan(begin * cols * size, count * cols * size);
    piece.resize(count * cols * width);
    std::atomic<bool> fits = true;
    const std::size_t jobs = std::min<std::size_t>(count, 64);
    pool.run(jobs, [&](std::size_t job, int) {
      std::vector<float> x(cols), sum(delta != nullptr ? cols : 0);
      for (std::size_t r = job * count / jobs; r < (job + 1) * count / jobs; ++r) {
        quant::widen(mapped.dtype, source.data() + r * cols * size, cols, x.data());
        if (delta != nullptr) add_row(*delta, begin + r, cols, sum, x.data());
        if (!narrow(type, x.data(), cols, piece.data() + r * cols * width)) fits = false;
      }
    });
    if (!fits) return invalid(name + " has values that are not finite as " + quant::name_of(type));
    if (const Status s = out.write(name, piece); !s) return s.error();
    release_pages(source);
  }
  return Ok{};
}

}  // namespace preferd::convert
