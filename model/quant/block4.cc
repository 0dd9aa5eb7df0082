#include "model/quant/block4.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "model/quant/matrix.h"
#include "model/quant/nibbles.h"

namespace preferd::quant {
namespace {

constexpr std::size_t kBlocksAJob = 1024;

struct Buffers {
  std::vector<std::uint8_t> codes;
  std::vector<float> absmax;
  std::vector<std::uint8_t> absmax8;
  std::vector<float> nested_absmax;
};

// Codes in ascending order of value, and the borders halfway between neighbours.
struct Ladder {
  std::array<std::uint8_t, 16> order{};
  std::array<float, 15> borders{};
};

Ladder make_ladder(Code4 kind) {
  const auto& code = kind == Code4::kNf4 ? kNf4Code : kFp4Code;
  Ladder ladder;
  std::iota(ladder.order.begin(), ladder.order.end(), std::uint8_t{0});
  std::stable_sort(ladder.order.begin(), ladder.order.end(),
                   [&](auto a, auto b) { return code[a] < code[b]; });
  for (std::size_t i = 0; i < 15; ++i)
    ladder.borders[i] = (code[ladder.order[i]] + code[ladder.order[i + 1]]) / 2;
  return ladder;
}

// The code nearest to x: its rank is the number of borders below x.
std::uint8_t nearest4(const Ladder& ladder, float x) {
  std::int32_t step = 0;
  for (const float border : ladder.borders) step += border < x ? 1 : 0;
  return ladder.order[static_cast<std::size_t>(step)];
}

std::uint8_t nearest8(float x) {
  const auto above = std::upper_bound(kDynamicMap.begin(), kDynamicMap.end(), x);
  const auto left = static_cast<std::size_t>(std::max<std::ptrdiff_t>(above - kDynamicMap.begin() - 1, 0));
  if (left < 255 && std::fabs(x - kDynamicMap[left + 1]) < std::fabs(x - kDynamicMap[left]))
    return static_cast<std::uint8_t>(left + 1);
  return static_cast<std::uint8_t>(left);
}

float largest(const float* x, std::size_t n) {
  float top = 0;
  for (std::size_t i = 0; i < n; ++i) top = std::max(top, std::fabs(x[i]));
  return top;
}

// absmax -> 8-bit codes of (absmax - mean), with one scale for each 256 blocks; returns the mean.
float compress_scales(Buffers& buffers) {
  const std::vector<float>& absmax = buffers.absmax;
  const double sum = std::accumulate(absmax.begin(), absmax.end(), 0.0);
  const auto offset = static_cast<float>(sum / static_cast<double>(absmax.size()));
  buffers.absmax8.resize(absmax.size());
  for (std::size_t begin = 0; begin < absmax.size(); begin += 256) {
    const std::size_t end = std::min(begin + 256, absmax.size());
    float top = 0;
    for (std::size_t i = begin; i < end; ++i) top = std::max(top, std::fabs(absmax[i] - offset));
    buffers.nested_absmax.push_back(top);
    for (std::size_t i = begin; i < end; ++i)
      buffers.absmax8[i] = top == 0 ? 127 : nearest8((absmax[i] - offset) / top);
  }
  return offset;
}

}  // namespace

// One table of 16 finished values per block, then two look-ups per byte.
void Block4::decode(const RowRun& run, float* out) const {
  const auto size = static_cast<std::size_t>(block);
  const std::size_t begin = run.begin, end = begin + run.count;
  std::array<float, 16> table;
  BlockScales scales(*this, begin / size);
  for (std::size_t at = begin, stop = begin / size * size; at < end;) {
    stop = std::min(end, stop + size);
    const float scale = scales.next();
    if (dtype == DType::kBF16) {
      scale_table_bf16(code.data(), scale, table.data());
    } else {
      for (std::size_t c = 0; c < 16; ++c) table[c] = rounded_to(dtype, code[c] * scale);
    }
    if (at % 2 == 1) *out++ = table[codes[at++ / 2] & 15];
    const std::size_t whole = (stop - at) / 2;
    look_up_nibbles(codes + at / 2, whole, table.data(), out);
    at += 2 * whole;
    out += 2 * whole;
    if (at < stop) *out++ = table[codes[at++ / 2] >> 4];
  }
}

std::optional<Block4> Block4::from(const RowRun& run) const {
  const auto size = static_cast<std::size_t>(block), nested = static_cast<std::size_t>(nested_block);
  const std::size_t first = run.begin / size;
  if (run.begin % size != 0 || (absmax == nullptr && first % nested != 0)) return std::nullopt;
  Block4 out = *this;
  out.codes += run.begin / 2;
  if (absmax != nullptr) {
    out.absmax += first;
  } else {
    out.absmax8 += first;
    out.nested_absmax += first / nested;
  }
  return out;
}

std::size_t Block4::bytes(std::size_t rows, std::size_t cols) const {
  const auto ceil_div = [](std::size_t a, int b) {
    return (a + static_cast<std::size_t>(b) - 1) / static_cast<std::size_t>(b);
  };
  const std::size_t n = rows * cols, blocks = ceil_div(n, block);
  const std::size_t scales =
      absmax != nullptr ? 4 * blocks : blocks + 4 * ceil_div(blocks, nested_block) + 1024;
  return ceil_div(n, 2) + scales;
}

const char* Block4::name() const { return code == kFp4Code ? "fp4" : "nf4"; }

Matrix encode_block4(const Matrix& source, Code4 kind, int block_size, ScaleForm scales, ThreadPool* pool) {
  const auto& dense = std::get<Dense>(source.form);
  const auto n = static_cast<std::size_t>(source.rows * source.cols),
             block = static_cast<std::size_t>(block_size);
  const Ladder ladder = make_ladder(kind);
  auto buffers = std::make_shared<Buffers>();
  buffers->codes.assign((n + 1) / 2, 0);
  buffers->absmax.resize((n + block - 1) / block);
  const auto encode = [&](std::size_t b, float* x) {
    const std::size_t begin = b * block, count = std::min(block, n - begin);
    widen(dense.dtype, dense.data + begin * size_of(dense.dtype), count, x);
    const float top = largest(x, count);
    // A whole block multiplies by the reciprocal, a short last block divides: bitsandbytes rounds in these
    // two ways.
    const float floor = std::max(top, 1e-38f), reciprocal = 1.0f / floor;
    buffers->absmax[b] = count == block ? top : floor;
    for (std::size_t i = 0; i < count; ++i)
      x[i] = std::clamp(count == block ? x[i] * reciprocal : x[i] / floor, -1.0f, 1.0f);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = begin + i;
      buffers->codes[at / 2] |= static_cast<std::uint8_t>(nearest4(ladder, x[i]) << (at % 2 == 0 ? 4 : 0));
    }
  };
  const std::size_t blocks = buffers->absmax.size(), jobs = (blocks + kBlocksAJob - 1) / kBlocksAJob;
  const auto run = [&](std::size_t job, int) {
    std::vector<float> x(block);
    for (std::size_t b = job * kBlocksAJob; b < std::min(blocks, (job + 1) * kBlocksAJob); ++b)
      encode(b, x.data());
  };
  if (pool != nullptr)
    pool->run(jobs, run);
  else
    for (std::size_t job = 0; job < jobs; ++job) run(job, 0);
  if (n % 2 == 1)
    buffers->codes.back() |= nearest4(ladder, 0.0f);  // the padding value, as bitsandbytes writes it

  Block4 form;
  form.codes = buffers->codes.data();
  form.code = kind == Code4::kNf4 ? kNf4Code : kFp4Code;
  form.block = block_size;
  form.dtype = dense.dtype;
  if (scales == ScaleForm::kDouble) {
    form.offset = compress_scales(*buffers);
    form.absmax8 = buffers->absmax8.data();
    form.nested_absmax = buffers->nested_absmax.data();
    form.nested_code = kDynamicMap.data();
    buffers->absmax = {};
  } else {
    form.absmax = buffers->absmax.data();
  }
  return {source.rows, source.cols, form, buffers};
}

}  // namespace preferd::quant
