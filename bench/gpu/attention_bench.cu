// Times the CUDA attention beside a large bf16 matrix product (cuBLASLt, 8192 x 8192 x 8192) of the same run,
// all on random data. FLOPs are those of the causal half, 2 * query_heads * head_dim * sum of squared
// lengths.
#include <cmath>

#include <cublasLt.h>

#include "tests/cuda/packed_batch.h"

namespace preferd::kernels::cuda {
namespace {

template <class F>
double milliseconds(F launch) {
  cudaEvent_t begin, end;
  must(cudaEventCreate(&begin), "event");
  must(cudaEventCreate(&end), "event");
  for (int i = 0; i < 3; ++i) launch();
  std::vector<float> times;
  for (int i = 0; i < 21; ++i) {
    must(cudaEventRecord(begin), "event");
    launch();
    must(cudaEventRecord(end), "event");
    must(cudaEventSynchronize(end), "event");
    float ms = 0;
    must(cudaEventElapsedTime(&ms, begin, end), "event");
    times.push_back(ms);
  }
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  return static_cast<double>(times[10]);
}

double gemm_teraflops() {
  constexpr std::int64_t n = 8192;
  const DeviceArray<__nv_bfloat16> a(random_rows(n * n, 1, 1)), b(random_rows(n * n, 1, 2));
  const DeviceArray<__nv_bfloat16> c(n * n);
  const std::size_t bytes = std::size_t{32} << 20;
  const DeviceArray<char> workspace(bytes);
  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t layout;
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  cublasLtCreate(&handle);
  cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed);
  cublasLtMatrixLayoutCreate(&layout, CUDA_R_16BF, n, n, n);
  cublasLtMatmulPreferenceCreate(&preference);
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                       sizeof bytes);
  cublasLtMatmulAlgoGetHeuristic(handle, product, layout, layout, layout, layout, preference, 1, &found,
                                 &count);
  if (count == 0) return 0;
  const float one = 1, zero = 0;
  const double ms = milliseconds([&] {
    if (cublasLtMatmul(handle, product, &one, a.data(), layout, b.data(), layout, &zero, c.data(), layout,
                       c.data(), layout, &found.algo, workspace.data(), bytes,
                       nullptr) != CUBLAS_STATUS_SUCCESS)
      std::exit(2);
  });
  return 2.0 * n * n * n / ms / 1e9;
}

void time_case(const char* name, const AttentionShape& s, const std::vector<Segment>& segments,
               Asking asking) {
  PackedBatch batch = packed_batch(segments, cuda::query_tile(s), asking, 0);
  add_key_tiles(segments, key_tile(s), asking, batch);
  const auto q_columns = static_cast<std::int64_t>(s.query_heads * s.head_dim);
  const auto kv_columns = static_cast<std::int64_t>(s.kv_heads * s.head_dim),
             stride = q_columns + 2 * kv_columns;
  const DeviceArray<__nv_bfloat16> qkv(random_rows(static_cast<std::size_t>(batch.rows * stride), 1, 3));
  const DeviceArray<__nv_bfloat16> out(static_cast<std::size_t>(batch.queries * q_columns));
  const DeviceArray<AttentionTile> tiles(batch.tiles);
  const DeviceArray<KeyRun> runs(batch.runs);
  const double ms = milliseconds([&] {
    must(attend(nullptr, s, tiles.data(), static_cast<std::int32_t>(batch.tiles.size()), runs.data(),
                {qkv.data(), stride}, {qkv.data() + q_columns, stride},
                {qkv.data() + q_columns + kv_columns, stride}, {out.data(), q_columns}, nullptr),
         name);
  });
  double pairs = 0;
  for (const AttentionTile& t : batch.tiles) pairs += t.queries * (t.first_position + (t.queries + 1) / 2.0);
  const double flops = 4.0 * static_cast<double>(s.query_heads * s.head_dim) * pairs;
  std::printf("%-52s %8.3f ms %7.1f TFLOP/s", name, ms, flops / ms / 1e9);

  const DeviceArray<KeyTile> key_tiles(batch.key_tiles);
  const DeviceArray<QueryRun> query_runs(batch.query_runs);
  const DeviceArray<__nv_bfloat16> gradient(static_cast<std::size_t>(batch.rows * stride));
  const DeviceArray<__nv_bfloat16> query_gradient(static_cast<std::size_t>(batch.queries * q_columns));
  const DeviceArray<__nv_bfloat16> out_gradient(
      random_rows(static_cast<std::size_t>(batch.queries * q_columns), 1, 4));
  const auto heads = static_cast<std::size_t>(batch.queries) * s.query_heads;
  const DeviceArray<float> log_sum_exp(std::vector<float>(heads, 7)), delta(heads);
  const AttentionLayout layout{
      tiles.data(),     static_cast<std::int32_t>(batch.tiles.size()),     runs.data(),
      key_tiles.data(), static_cast<std::int32_t>(batch.key_tiles.size()), query_runs.data()};
  AttentionBackward tensors;
  tensors.q = {qkv.data(), stride};
  tensors.k = {qkv.data() + q_columns, stride};
  tensors.v = {qkv.data() + q_columns + kv_columns, stride};
  tensors.out = {out.data(), q_columns};
  tensors.out_gradient = {out_gradient.data(), q_columns};
  tensors.log_sum_exp = log_sum_exp.data();
  tensors.delta = delta.data();
  tensors.query_gradient = {query_gradient.data(), q_columns};
  tensors.key_gradient = {gradient.data() + q_columns, stride};
  tensors.value_gradient = {gradient.data() + q_columns + kv_columns, stride};
  const double back = milliseconds([&] { must(attend_backward(nullptr, s, layout, tensors), name); });
  std::printf(", backward %8.3f ms %7.1f TFLOP/s\n", back, 2.5 * flops / back / 1e9);
  std::fflush(stdout);
}

void time_all() {
  cudaDeviceProp card;
  must(cudaGetDeviceProperties(&card, 0), "device");
  std::printf("%s\n%-52s %19.1f TFLOP/s\n", card.name, "matrix product 8192^3, bf16", gemm_teraflops());
  const AttentionShape gemma{16, 8, 256, 0.0625f, 50, 0}, plain{16, 8, 256, 0.0625f, 0, 0};
  const AttentionShape qwen{40, 8, 128, 0.0884f, 0, 0}, llama{32, 8, 128, 0.0884f, 0, 0},
      smol{9, 3, 64, 0.125f, 0, 0};
  const std::vector<Segment> eight(8, Segment{2048});
  std::vector<Segment> mixed;
  for (std::int32_t i = 0; i < 12; ++i) mixed.push_back({400 + 173 * (i * 5 % 12)});
  time_case("d 256, 16/8, cap 50, 8 x 2048", gemma, eight, Asking::kAllRows);
  time_case("d 256, 16/8, cap 50, 1 x 2048", gemma, {{2048}}, Asking::kAllRows);
  time_case("d 256, 16/8, cap 50, 12 of 400 to 2303", gemma, mixed, Asking::kAllRows);
  time_case("d 256, 16/8, cap 50, 1000 shared by 4 x 600", gemma,
            {{1000}, {600, 0}, {600, 0}, {600, 0}, {600, 0}}, Asking::kAllRows);
  time_case("d 256, 16/8, 8 x 2048", plain, eight, Asking::kAllRows);
  time_case("d 256, 16/8, cap 50, 8 last of 2048", gemma, eight, Asking::kLastRows);
  time_case("d 128, 40/8, 8 x 2048", qwen, eight, Asking::kAllRows);
  time_case("d 128, 32/8, 8 x 2048", llama, eight, Asking::kAllRows);
  time_case("d 64, 9/3, 8 x 2048", smol, eight, Asking::kAllRows);
  time_case("d 64, 9/3, 64 x 300", smol, std::vector<Segment>(64, Segment{300}), Asking::kAllRows);
  time_case("d 64, 9/3, 256 x 300", smol, std::vector<Segment>(256, Segment{300}), Asking::kAllRows);
}

}  // namespace
}  // namespace preferd::kernels::cuda

int main() { preferd::kernels::cuda::time_all(); }
