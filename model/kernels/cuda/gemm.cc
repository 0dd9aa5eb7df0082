#include "model/kernels/cuda/gemm.h"

#include <algorithm>
#include <array>
#include <limits>

#include "model/kernels/cuda/trial.h"

namespace preferd::kernels::cuda {
namespace {

constexpr std::size_t kWorkspace = std::size_t{32} << 20;
constexpr int kCandidates = 12, kRepeats = 3;

// The candidates for batches of up to each of these sizes are tried with that many rows.
constexpr std::array<std::int64_t, 6> kSizes = {16, 64, 256, 512, 1024, 4096};

Status check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return Ok{};
  return Error{status == CUBLAS_STATUS_ALLOC_FAILED ? Code::kTooLarge : Code::kInternal,
               std::string("cuBLASLt: ") + what + ": " + cublasLtGetStatusString(status),
               {}};
}

Status check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return Ok{};
  cudaGetLastError();  // otherwise the next launch would report it
  return Error{error == cudaErrorMemoryAllocation ? Code::kTooLarge : Code::kInternal,
               std::string("CUDA: ") + what + ": " + cudaGetErrorString(error),
               {}};
}

cudaDataType_t type_of(Element e) {
  return e == Element::kBF16 ? CUDA_R_16BF : e == Element::kFp8 ? CUDA_R_8F_E4M3 : CUDA_R_32F;
}

std::size_t size_of(Element e) { return e == Element::kBF16 ? 2 : e == Element::kFp8 ? 1 : 4; }

// cuBLASLt's descriptors of one product. It is column-major: our rows are its columns, so we request y^T = W
// x^T, with W as its A and x as its B.
class Descriptors {
 public:
  Descriptors(const Product& p, std::int64_t rows) {
    const ProductShape& s = p.shape;
    cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
    if (s.in == Element::kFp8) {
      set(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F);
      set(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F);
      set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, p.w_scale);
      set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, p.x_scale);
      set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, std::int8_t{1});
    }
    if (s.bias) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_16BF);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    }
    const auto layout = [](Element e, std::int64_t r, std::int64_t c, std::int64_t stride) {
      cublasLtMatrixLayout_t out = nullptr;
      cublasLtMatrixLayoutCreate(&out, type_of(e), static_cast<std::uint64_t>(r),
                                 static_cast<std::uint64_t>(c), stride);
      return out;
    };
    w = layout(s.in, s.inner, s.outputs, s.w_stride);
    x = layout(s.in, s.inner, rows, s.x_stride);
    y = layout(s.out, s.outputs, rows, s.y_stride);
  }
  ~Descriptors() {
    for (cublasLtMatrixLayout_t l : {w, x, y}) cublasLtMatrixLayoutDestroy(l);
    cublasLtMatmulDescDestroy(operation);
  }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t w = nullptr, x = nullptr, y = nullptr;

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, T value) {
    cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value);
  }
};

cublasStatus_t run(cublasLtHandle_t handle, void* workspace, cudaStream_t stream, const Product& p,
                   const Descriptors& d, const cublasLtMatmulAlgo_t& algorithm) {
  const float beta = p.shape.adds ? 1.0f : 0.0f;
  return cublasLtMatmul(handle, d.operation, &p.alpha, p.w, d.w, p.x, d.x, &beta, p.y, d.y, p.y, d.y,
                        &algorithm, workspace, kWorkspace, stream);
}

// Candidates for that many rows, without those that split k, best guess first.
std::vector<cublasLtMatmulAlgo_t> candidates(cublasLtHandle_t handle, const Product& p, std::int64_t rows) {
  const Descriptors d(p, rows);
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulPreferenceCreate(&preference);
  const std::uint32_t no_reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &no_reduction,
                                       sizeof no_reduction);
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &kWorkspace,
                                       sizeof kWorkspace);
  std::array<cublasLtMatmulHeuristicResult_t, kCandidates> found{};
  int count = 0;
  cublasLtMatmulAlgoGetHeuristic(handle, d.operation, d.w, d.x, d.y, d.y, preference, kCandidates,
                                 found.data(), &count);
  cublasLtMatmulPreferenceDestroy(preference);
  std::vector<cublasLtMatmulAlgo_t> out;
  for (int i = 0; i < count; ++i) {
    std::int32_t splits = 1;
    std::size_t written = 0;
    cublasLtMatmulAlgoConfigGetAttribute(&found[static_cast<std::size_t>(i)].algo,
                                         CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &splits, sizeof splits, &written);
    if (splits <= 1) out.push_back(found[static_cast<std::size_t>(i)].algo);
  }
  return out;
}

// Device memory that is freed with this object.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : error_(cudaMalloc(&data_, std::max<std::size_t>(bytes, 256))) {}
  ~Buffer() { cudaFree(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  cudaError_t error() const { return error_; }

 private:
  void* data_ = nullptr;
  cudaError_t error_;
};

class Timer {
 public:
  Timer() { cudaEventCreate(&begin_), cudaEventCreate(&end_); }
  ~Timer() { cudaEventDestroy(begin_), cudaEventDestroy(end_); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Milliseconds of the fastest of some runs; infinity if one failed.
  template <class F>
  float fastest(cudaStream_t stream, F work) {
    float best = std::numeric_limits<float>::infinity();
    for (int i = 0; i < kRepeats; ++i) {
      cudaEventRecord(begin_, stream);
      if (!work()) return std::numeric_limits<float>::infinity();
      cudaEventRecord(end_, stream);
      cudaEventSynchronize(end_);
      float ms = 0;
      cudaEventElapsedTime(&ms, begin_, end_);
      best = std::min(best, ms);
    }
    return best;
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// Operands for a product of up to the largest number of rows that are tried, and room for two results.
struct Trial {
  static constexpr std::int64_t kRows = kSizes.back();

  explicit Trial(const ProductShape& s)
      : x(static_cast<std::size_t>(kRows * s.x_stride) * size_of(s.in)),
        w(static_cast<std::size_t>(s.outputs * s.w_stride) * size_of(s.in)),
        scale(static_cast<std::size_t>(std::max(kRows, s.outputs)) * 4),
        want(static_cast<std::size_t>(kRows * s.y_stride) * size_of(s.out)),
        got(static_cast<std::size_t>(kRows * s.y_stride) * size_of(s.out)),
        same(sizeof(int)) {}

  Status fill(cudaStream_t stream, const ProductShape& s) const {
    for (const Buffer* b : {&x, &w, &scale, &want, &got, &same})
      if (const Status status = check(b->error(), "memory to try products"); !status) return status;
    const TrialType type = s.in == Element::kFp8 ? TrialType::kFp8 : TrialType::kBF16;
    for (const cudaError_t e :
         {fill_operand(stream, type, TrialSide::kX, kRows, s.inner, s.x_stride, x.data()),
          fill_operand(stream, type, TrialSide::kW, s.outputs, s.inner, s.w_stride, w.data()),
          fill_scales(stream, std::max(kRows, s.outputs), static_cast<float*>(scale.data()))})
      if (const Status status = check(e, "operands to try products"); !status) return status;
    return Ok{};
  }

  Buffer x, w, scale, want, got, same;
};

}  // namespace

Result<std::unique_ptr<Gemm>> Gemm::create() {
  std::unique_ptr<Gemm> gemm(new Gemm);
  if (const Status s = check(cublasLtCreate(&gemm->handle_), "cublasLtCreate"); !s) return s.error();
  if (const Status s = check(cudaMalloc(&gemm->workspace_, kWorkspace), "workspace"); !s) return s.error();
  return gemm;
}

Gemm::~Gemm() {
  if (handle_ != nullptr) cublasLtDestroy(handle_);
  cudaFree(workspace_);
}

Status Gemm::choose(cudaStream_t stream, const Product& product, std::vector<Choice>& choices) {
  const ProductShape& s = product.shape;
  const Trial trial(s);
  if (const Status status = trial.fill(stream, s); !status) return status;
  Product p = product;
  p.x = trial.x.data();
  p.w = trial.w.data();
  p.x_scale = p.w_scale = static_cast<const float*>(trial.scale.data());
  const std::size_t y_bytes = static_cast<std::size_t>(Trial::kRows * s.y_stride) * size_of(s.out);
  const auto into = [&](const Buffer& y, std::int64_t rows, const cublasLtMatmulAlgo_t& algorithm) {
    p.y = y.data();
    const Descriptors d(p, rows);
    return run(handle_, workspace_, stream, p, d, algorithm) == CUBLAS_STATUS_SUCCESS;
  };
  // The initial contents of y are the same for all candidates, because they count if beta = 1.
  const auto clean = [&](const Buffer& y) { return cudaMemsetAsync(y.data(), 0, y_bytes, stream); };

  const auto guesses = candidates(handle_, p, Trial::kRows);
  const auto reference = std::find_if(guesses.begin(), guesses.end(), [&](const cublasLtMatmulAlgo_t& a) {
    return clean(trial.want) == cudaSuccess && into(trial.want, Trial::kRows, a);
  });
  if (reference == guesses.end())
    return Error{Code::kInternal,
                 "cuBLASLt has no algorithm for a product of " + std::to_string(s.inner) + " x " +
                     std::to_string(s.outputs) + (s.in == Element::kFp8 ? " in fp8" : ""),
                 {}};
  Timer timer;
  for (const std::int64_t rows : kSizes) {
    auto all = candidates(handle_, p, rows);
    all.push_back(*reference);
    const cublasLtMatmulAlgo_t* best = nullptr;
    float best_ms = std::numeric_limits<float>::infinity();
    for (const cublasLtMatmulAlgo_t& a : all) {
      if (clean(trial.got) != cudaSuccess || !into(trial.got, rows, a)) continue;
      int same = 0;
      const Compared compared{
          trial.want.data(), trial.got.data(), rows,
          static_cast<std::int64_t>(static_cast<std::size_t>(s.outputs) * size_of(s.out)),
          static_cast<std::int64_t>(static_cast<std::size_t>(s.y_stride) * size_of(s.out))};
      if (equal_rows(stream, compared, static_cast<int*>(trial.same.data()), &same) != cudaSuccess ||
          same == 0)
        continue;
      const float ms = timer.fastest(stream, [&] { return into(trial.got, rows, a); });
      if (ms < best_ms) best = &a, best_ms = ms;
    }
    if (best != nullptr) choices.push_back({rows, *best});
  }
  if (choices.empty() || choices.back().most_rows != kSizes.back())
    choices.push_back({kSizes.back(), *reference});
  return check(cudaGetLastError(), "trying products");
}

Status Gemm::multiply(cudaStream_t stream, const Product& product) {
  if (product.rows == 0) return Ok{};
  std::vector<Choice>& choices = chosen_[product.shape];
  if (choices.empty())
    if (const Status s = choose(stream, product, choices); !s) return s;
  const auto fits = std::find_if(choices.begin(), choices.end(),
                                 [&](const Choice& c) { return product.rows <= c.most_rows; });
  const Choice& choice = fits == choices.end() ? choices.back() : *fits;
  const Descriptors d(product, product.rows);
  return check(run(handle_, workspace_, stream, product, d, choice.algorithm), "cublasLtMatmul");
}

}  // namespace preferd::kernels::cuda
