// NF4 and FP4, the 4-bit formats of bitsandbytes (QLoRA, arXiv 2305.14314): the stored form, and the encoding
// of a dense matrix to the bytes that bitsandbytes' CPU backend gives, with or without double quantization of
// the block scales.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/parallel.h"
#include "model/quant/dtype.h"
#include "model/quant/stored_form.h"

namespace preferd::quant {

struct Matrix;

// NF4 or FP4 in bitsandbytes' layout: the matrix is flattened row by row into n = rows * cols values, with
// value 2i in the HIGH nibble of byte i; block b holds values [b * block, (b + 1) * block), across row ends.
//   value = rounded_to(dtype, code[nibble] * absmax[b])
// With double quantization absmax itself is 8-bit, in blocks of `nested_block`:
//   absmax[b] = nested_code[absmax8[b]] * nested_absmax[b / nested_block] + offset    (two roundings)
struct Block4 {
  const std::uint8_t* codes = nullptr;  // ceil(n / 2)
  std::array<float, 16> code{};
  int block = 64;
  DType dtype = DType::kBF16;     // the type to which values are rounded
  const float* absmax = nullptr;  // ceil(n / block), or null when nested
  const std::uint8_t* absmax8 = nullptr;
  const float* nested_absmax = nullptr;
  const float* nested_code = nullptr;  // 256
  int nested_block = 256;
  float offset = 0;

  void decode(const RowRun& run, float* out) const;
  const void* address() const { return codes; }
  std::optional<Block4> from(const RowRun& run) const;
  std::size_t bytes(std::size_t rows, std::size_t cols) const;
  const char* name() const;  // "nf4" or "fp4"
};
static_assert(StoredForm<Block4>);

// The absmax of one block after the other, from `block` on.
class BlockScales {
 public:
  BlockScales(const Block4& of, std::size_t block)
      : of_(of),
        block_(block),
        nested_(block / nested_block()),
        left_(nested_block() - block % nested_block()) {}

  float next() {
    const std::size_t b = block_++;
    if (of_.absmax != nullptr) return of_.absmax[b];
    if (left_ == 0) ++nested_, left_ = nested_block();
    --left_;
    return of_.nested_code[of_.absmax8[b]] * of_.nested_absmax[nested_] + of_.offset;
  }

 private:
  std::size_t nested_block() const { return static_cast<std::size_t>(of_.nested_block); }

  const Block4& of_;
  std::size_t block_, nested_, left_;
};

enum class Code4 { kNf4, kFp4 };
enum class ScaleForm { kFloat, kDouble };  // fp32 absmax, or 8-bit absmax in blocks of 256

inline constexpr std::array<float, 16> kNf4Code = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
inline constexpr std::array<float, 16> kFp4Code = {
    0.0f,
    0.0052083334885537624f,
    0.6666666865348816f,
    1.0f,
    0.3333333432674408f,
    0.5f,
    0.1666666716337204f,
    0.25f,
    0.0f,
    -0.0052083334885537624f,
    -0.6666666865348816f,
    -1.0f,
    -0.3333333432674408f,
    -0.5f,
    -0.1666666716337204f,
    -0.25f,
};

// The signed dynamic 8-bit map of block scales (create_dynamic_map), ascending.
extern const std::array<float, 256> kDynamicMap;

// Encodes; the result owns its memory, and values are rounded to source.dtype on decoding. `block` is a power
// of two in 32..4096. Requires finite values of a 16 or 32 bit floating type. `pool`: threads that share the
// blocks; the bytes are the same.
Matrix encode_block4(const Matrix& source, Code4 code, int block, ScaleForm scales,
                     ThreadPool* pool = nullptr);

}  // namespace preferd::quant
