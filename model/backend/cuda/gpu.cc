#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

#include "model/backend/cuda/cuda_backend.h"
#include "model/kernels/cuda/kernel_set.h"

namespace preferd::backend::cuda {
namespace {

constexpr std::size_t kUploads = 16;  // for one forward and the next

Error cuda_error(const char* what, cudaError_t error) {
  return invalid(std::string(what) + ": " + cudaGetErrorString(error));
}

std::string named(int device) { return "device cuda:" + std::to_string(device); }

// Makes a device current during its lifetime.
class Current {
 public:
  explicit Current(int device) {
    cudaGetDevice(&before_);
    cudaSetDevice(device);
  }
  ~Current() { cudaSetDevice(before_); }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  int before_ = 0;
};

Result<cudaDeviceProp> properties_of(int device) {
  int count = 0;
  if (const cudaError_t e = cudaGetDeviceCount(&count); e != cudaSuccess)
    return cuda_error("device is cuda", e);
  if (device < 0 || device >= count)
    return invalid(named(device) + " does not exist, this machine has " + std::to_string(count) + " GPUs");
  cudaDeviceProp properties{};
  if (const cudaError_t e = cudaGetDeviceProperties(&properties, device); e != cudaSuccess)
    return cuda_error(named(device).c_str(), e);
  return properties;
}

// Whether the kernels run there, with weights of that residency.
Status check_kernels(int device, const cudaDeviceProp& properties, Residency residency) {
  const kernels::cuda::Capability gpu{properties.major, properties.minor};
  const std::string name = named(device) + " (" + properties.name + ") ";
  if (const auto kernels = kernels::cuda::kernels_for(gpu); !kernels)
    return invalid(name + kernels.error().what);
  if (residency == Residency::kFp8 && !kernels::cuda::multiplies_fp8(gpu))
    return invalid(name + "has compute capability " + std::to_string(gpu.major) + "." +
                   std::to_string(gpu.minor) + ", residency fp8 needs 9.0 (H100, H200)");
  return Ok{};
}

}  // namespace

void require(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // otherwise the next launch would report it
  TORCH_CHECK_WITH(OutOfMemoryError, error != cudaErrorMemoryAllocation, what, ": ",
                   cudaGetErrorString(error));
  TORCH_CHECK(false, what, ": ", cudaGetErrorString(error));
}

void require(const Status& status) {
  if (status) return;
  TORCH_CHECK_WITH(OutOfMemoryError, status.error().code != Code::kTooLarge, status.error().what);
  TORCH_CHECK(false, status.error().what);
}

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

Result<Memory> memory_of(int device) {
  if (const auto properties = properties_of(device); !properties) return properties.error();
  const Current current(device);
  c10::cuda::CUDACachingAllocator::emptyCache();
  Memory memory;
  if (const cudaError_t e = cudaMemGetInfo(&memory.free, &memory.total); e != cudaSuccess)
    return cuda_error(named(device).c_str(), e);
  return memory;
}

Result<Opened> open(const Options& options) {
  const auto properties = properties_of(options.device);
  if (!properties) return properties.error();
  if (const Status s = check_kernels(options.device, *properties, options.residency); !s) return s.error();
  const Current current(options.device);
  auto gemm = kernels::cuda::Gemm::create();
  if (!gemm) return gemm.error();
  return Opened{std::make_shared<CudaBackend>(options, std::move(*gemm)), properties->name,
                options.residency == Residency::kFp8 ? "fp8" : "bf16"};
}

CudaBackend::CudaBackend(const Options& options, std::unique_ptr<kernels::cuda::Gemm> gemm)
    : KernelBackend(options.threads, {at::kCUDA, static_cast<c10::DeviceIndex>(options.device)}, at::kFloat),
      options_(options),
      gemm_(std::move(gemm)) {
  // A projection has at most three linears.
  room_ = 3 * ((options.rank + 7) / 8 * 8);
}

cudaStream_t CudaBackend::stream() const {
  return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(options_.device)).stream();
}

at::TensorOptions CudaBackend::options(at::ScalarType type) const {
  return at::TensorOptions(device()).dtype(type);
}

std::int64_t CudaBackend::stride_of(std::int64_t width) const {
  constexpr std::int64_t kLine = 64;  // of the L2 cache, in elements
  return ((width + 7) / 8 * 8 + room_ + kLine - 1) / kLine * kLine;
}

at::Tensor CudaBackend::empty_rows(std::int64_t rows, std::int64_t width) {
  return at::empty({rows, stride_of(width)}, options(at::kBFloat16)).narrow(1, 0, width);
}

const std::int32_t* CudaBackend::uploaded(std::span<const std::int32_t> values) {
  if (placed_) return placed_->find(values);
  for (auto it = uploads_.begin(); it != uploads_.end(); ++it)
    if (std::equal(it->first.begin(), it->first.end(), values.begin(), values.end())) {
      uploads_.splice(uploads_.begin(), uploads_, it);
      return it->second.data_ptr<std::int32_t>();
    }
  uploads_.emplace_front(std::vector<std::int32_t>(values.begin(), values.end()), sent(values));
  if (uploads_.size() > kUploads) uploads_.pop_back();
  return uploads_.front().second.data_ptr<std::int32_t>();
}

at::Tensor CudaBackend::resident(std::span<const float> values) {
  at::Tensor& copy = vectors_[values.data()];
  if (!copy.defined())
    copy = at::from_blob(const_cast<float*>(values.data()), {static_cast<std::int64_t>(values.size())},
                         at::kFloat)
               .to(device());
  return copy;
}

}  // namespace preferd::backend::cuda
