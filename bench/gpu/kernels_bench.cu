// Times the row-wise kernels, the decoding of weights and the products of a Gemma-2-9B layer beside a copy
// and a large bf16 product of the same run, all on random data.
//
//   kernels_bench [ROWS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "model/kernels/cuda/decode.h"
#include "model/kernels/cuda/elementwise.h"
#include "model/kernels/cuda/gemm.h"
#include "model/kernels/cuda/norms.h"
#include "model/kernels/cuda/round8.h"
#include "model/kernels/cuda/trial.h"

namespace preferd::kernels::cuda {
namespace {

using Half = __nv_bfloat16;

void must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

void must(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "%s\n", status.error().what.c_str());
  std::exit(1);
}

// Random elements: numbers for products, or scales.
enum class Fill { kNumbers, kScales };

template <class T>
class Array {
 public:
  explicit Array(std::int64_t count, Fill fill = Fill::kNumbers) {
    must(cudaMalloc(&data_, static_cast<std::size_t>(count) * sizeof(T)), "memory");
    if (fill == Fill::kScales)
      must(fill_scales(nullptr, count, reinterpret_cast<float*>(data_)), "fill");
    else if (sizeof(T) == 1)
      must(fill_operand(nullptr, TrialType::kFp8, TrialSide::kW, 1, count, count, data_), "fill");
    else
      must(fill_operand(nullptr, TrialType::kBF16, TrialSide::kW, 1,
                        count * static_cast<std::int64_t>(sizeof(T)) / 2, count, data_),
           "fill");
  }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data() const { return static_cast<T*>(data_); }

 private:
  void* data_ = nullptr;
};

// The time of one launch: the median of 15 measurements, each of many launches that take about a millisecond
// together, because a launch that the device waits for takes microseconds.
template <class F>
double seconds(F work) {
  cudaEvent_t begin, end;
  must(cudaEventCreate(&begin), "event");
  must(cudaEventCreate(&end), "event");
  const auto timed = [&](int launches) {
    must(cudaEventRecord(begin), "event");
    for (int i = 0; i < launches; ++i) work();
    must(cudaEventRecord(end), "event");
    must(cudaEventSynchronize(end), "event");
    float ms = 0;
    must(cudaEventElapsedTime(&ms, begin, end), "event");
    return ms / static_cast<float>(launches);
  };
  for (int i = 0; i < 3; ++i) work();
  const int launches = std::clamp(static_cast<int>(1 / std::max(timed(3), 1e-3f)), 1, 50);
  std::vector<float> times;
  for (int i = 0; i < 15; ++i) times.push_back(timed(launches));
  std::nth_element(times.begin(), times.begin() + 7, times.end());
  return times[7] * 1e-3;
}

constexpr std::int64_t kHidden = 3584, kFfn = 14336, kQuery = 4096, kQkv = 8192;

struct Ceilings {
  double bytes_per_second, flops;
};

void bytes_line(const char* name, double bytes, double time, const Ceilings& c) {
  std::printf("%-28s %9.1f us %8.2f TB/s  %.2f of copy\n", name, time * 1e6, bytes / time * 1e-12,
              bytes / time / c.bytes_per_second);
}

double product_seconds(Gemm& gemm, std::int64_t rows, std::int64_t inner, std::int64_t outputs, Element in) {
  const std::int64_t size = in == Element::kFp8 ? 1 : 2;
  const Array<char> x(rows * inner * size), w(outputs * inner * size);
  const TrialType type = in == Element::kFp8 ? TrialType::kFp8 : TrialType::kBF16;
  must(fill_operand(nullptr, type, TrialSide::kW, rows, inner, inner, x.data()), "fill");
  must(fill_operand(nullptr, type, TrialSide::kW, outputs, inner, inner, w.data()), "fill");
  const Array<Half> y(rows * outputs);
  const Array<float> x_scale(rows, Fill::kScales), w_scale(outputs, Fill::kScales);
  Product p;
  p.shape = {.inner = inner,
             .outputs = outputs,
             .x_stride = inner,
             .w_stride = inner,
             .y_stride = outputs,
             .in = in};
  p.rows = rows;
  p.x = x.data(), p.w = w.data(), p.y = y.data();
  p.x_scale = x_scale.data(), p.w_scale = w_scale.data();
  return seconds([&] { must(gemm.multiply(nullptr, p)); });
}

Ceilings ceilings(Gemm& gemm) {
  const std::int64_t bytes = std::int64_t{2} << 30;
  const Array<char> a(bytes), b(bytes);
  const double copy = seconds([&] {
    must(cudaMemcpyAsync(b.data(), a.data(), static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice),
         "copy");
  });
  const double product = product_seconds(gemm, 8192, 8192, 8192, Element::kBF16);
  return {2.0 * static_cast<double>(bytes) / copy, 2.0 * 8192.0 * 8192.0 * 8192.0 / product};
}

void rows_lines(std::int64_t rows, const Ceilings& c) {
  const Array<float> x(rows * kHidden, Fill::kScales), weight(kHidden, Fill::kScales);
  const Array<Half> y(rows * kHidden), z(rows * kHidden), gate_up(rows * 2 * kFfn), qkv(rows * kQkv);
  const Array<__nv_fp8_e4m3> rounded(rows * kFfn);
  const Array<float> scale(rows, Fill::kScales);
  const Array<float> angles(rows * 128, Fill::kScales);
  std::vector<std::int32_t> host(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < host.size(); ++i) host[i] = static_cast<std::int32_t>(i);
  const Array<std::int32_t> positions(rows);
  must(cudaMemcpy(positions.data(), host.data(), host.size() * 4, cudaMemcpyHostToDevice), "positions");
  const NormWeight norm{weight.data(), 1.0f, 1e-6f};
  const NormShape shape{rows, kHidden};
  const auto n = static_cast<double>(rows);
  bytes_line("rms_norm", n * kHidden * 6, seconds([&] {
               must(rms_norm<float, Half>(nullptr, shape, {x.data(), kHidden}, norm, {y.data(), kHidden}),
                    "rms_norm");
             }),
             c);
  bytes_line("add_rms_norm with a norm", n * kHidden * 12, seconds([&] {
               must(add_rms_norm<Half>(nullptr, shape, {x.data(), kHidden}, {z.data(), kHidden}, &norm, norm,
                                       {x.data(), kHidden}, {y.data(), kHidden}),
                    "add_rms_norm");
             }),
             c);
  bytes_line("glu, in place", n * kFfn * 6, seconds([&] {
               must(glu(nullptr, Glu::kGeGlu, rows, kFfn, {gate_up.data(), 2 * kFfn},
                        {gate_up.data() + kFfn, 2 * kFfn}, {gate_up.data(), 2 * kFfn}),
                    "glu");
             }),
             c);
  bytes_line("rotate q", n * kQuery * 4, seconds([&] {
               must(rotate(nullptr, rows, 16, 256, 256, {qkv.data(), kQkv}, positions.data(), angles.data(),
                           angles.data()),
                    "rotate");
             }),
             c);
  bytes_line(
      "round8 of the MLP's input", n * kHidden * 3, seconds([&] {
        must(round8(nullptr, rows, kHidden, {y.data(), kHidden}, {rounded.data(), kHidden}, scale.data()),
             "round8");
      }),
      c);
  bytes_line(
      "round8 of a gated row", n * kFfn * 3, seconds([&] {
        must(round8(nullptr, rows, kFfn, {gate_up.data(), 2 * kFfn}, {rounded.data(), kFfn}, scale.data()),
             "round8");
      }),
      c);
}

void decode_lines(const Ceilings& c) {
  constexpr std::int64_t rows = 2 * kFfn, cols = kHidden, values = rows * cols;
  const Array<std::uint8_t> codes(values / 2), absmax8(values / 64);
  const Array<float> absmax(values / 64, Fill::kScales), nested(values / 64 / 256 + 1, Fill::kScales),
      nested_code(256, Fill::kScales);
  constexpr std::int64_t stride = cols + 64;  // room for adapters, in cache lines, as in the engine
  const Array<Half> y(rows * stride);
  StoredMatrix m{
      .form = Stored::kBlock4, .rows = rows, .cols = cols, .data = codes.data(), .scale = absmax.data()};
  for (int i = 0; i < 16; ++i) m.code[i] = static_cast<float>(i - 7) / 8.0f;
  const auto run = [&] { must(decode(nullptr, m, {y.data(), stride}), "decode"); };
  bytes_line("decode nf4", static_cast<double>(values) * (0.5 + 4.0 / 64 + 2), seconds(run), c);
  m.scale = nullptr;
  m.absmax8 = absmax8.data(), m.nested_absmax = nested.data(), m.nested_code = nested_code.data();
  bytes_line("decode nf4, double", static_cast<double>(values) * (0.5 + 1.0 / 64 + 2), seconds(run), c);
}

void product_lines(Gemm& gemm, std::int64_t rows, const Ceilings& c) {
  struct Named {
    const char* name;
    std::int64_t inner, outputs;
  };
  for (const Element in : {Element::kBF16, Element::kFp8})
    for (const auto& [name, inner, outputs] :
         {Named{"qkv", kHidden, kQkv}, Named{"out", kQuery, kHidden}, Named{"gate_up", kHidden, 2 * kFfn},
          Named{"down", kFfn, kHidden}}) {
      const double time = product_seconds(gemm, rows, inner, outputs, in);
      const double flops =
          2.0 * static_cast<double>(rows) * static_cast<double>(inner) * static_cast<double>(outputs);
      std::printf("%-28s %9.1f us %8.1f TFLOP/s  %.2f of 8192^3 bf16\n",
                  (std::string(name) + (in == Element::kFp8 ? " fp8" : " bf16")).c_str(), time * 1e6,
                  flops / time * 1e-12, flops / time / c.flops);
    }
}

}  // namespace
}  // namespace preferd::kernels::cuda

int main(int argc, char** argv) {
  using namespace preferd::kernels::cuda;
  const std::int64_t rows = argc > 1 ? std::atoll(argv[1]) : 16384;
  auto gemm = Gemm::create();
  if (!gemm) must(preferd::Status(gemm.error()));
  const Ceilings c = ceilings(**gemm);
  cudaDeviceProp device{};
  must(cudaGetDeviceProperties(&device, 0), "device");
  std::printf("%s, %lld rows; copy %.2f TB/s, 8192^3 bf16 %.0f TFLOP/s\n", device.name,
              static_cast<long long>(rows), c.bytes_per_second * 1e-12, c.flops * 1e-12);
  rows_lines(rows, c);
  decode_lines(c);
  product_lines(**gemm, rows, c);
  if (rows != 512) product_lines(**gemm, 512, c);
  return 0;
}
