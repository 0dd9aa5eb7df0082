// y = alpha x W^T + beta y + bias on the GPU by cuBLASLt, with the bits of a row depending only on that row.
//
// cuBLASLt offers several algorithms for a product, and which is fastest depends on the number of rows. Their
// results differ if they split the sum over k or reorder it. So the first use of a product (its widths, types
// and strides) tries the candidates on operands that reveal the order (trial.h), for each of a few batch
// sizes: only those that give the bits of one reference are kept, and the fastest of these is used. No
// algorithm that splits k is considered.
//
// One thread; work goes to the given stream. Owns a workspace in device memory.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace preferd::kernels::cuda {

enum class Element { kBF16, kFp8, kF32 };  // kFp8: e4m3 with one scale per row

// Everything that determines which algorithms are available.
struct ProductShape {
  std::int64_t inner = 0, outputs = 0;                    // k, n
  std::int64_t x_stride = 0, w_stride = 0, y_stride = 0;  // in elements
  Element in = Element::kBF16, out = Element::kBF16;      // out: kBF16 or kF32
  bool bias = false, adds = false;                        // beta is 1 with `adds`, otherwise 0

  auto operator<=>(const ProductShape&) const = default;
};

struct Product {
  ProductShape shape;
  std::int64_t rows = 0;
  const void *x = nullptr, *w = nullptr;               // [rows, inner], [outputs, inner]
  void* y = nullptr;                                   // [rows, outputs]
  const float *x_scale = nullptr, *w_scale = nullptr;  // kFp8: [rows], [outputs]
  const void* bias = nullptr;                          // [outputs] bf16
  float alpha = 1;
};

class Gemm {
 public:
  // For the current device. Errors: those of cuBLASLt and CUDA.
  static Result<std::unique_ptr<Gemm>> create();
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  // Errors: a shape for which cuBLASLt has no algorithm, not enough memory to try them.
  Status multiply(cudaStream_t stream, const Product& product);

 private:
  // An algorithm for batches of up to that many rows.
  struct Choice {
    std::int64_t most_rows;
    cublasLtMatmulAlgo_t algorithm;
  };
  Gemm() = default;
  Status choose(cudaStream_t stream, const Product& product, std::vector<Choice>& choices);

  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<ProductShape, std::vector<Choice>> chosen_;
};

}  // namespace preferd::kernels::cuda
