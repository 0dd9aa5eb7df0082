// A whole forward: its lists go to the device in one copy, and a small forward is kept as a graph.
#include <cstring>

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/empty.h>

#include "model/backend/cuda/cuda_backend.h"
#include "model/backend/pad_to_bucket.h"

namespace preferd::backend::cuda {
namespace {

// Sets a value for the duration of a scope.
template <class T>
class While {
 public:
  While(std::optional<T>& place, T value) : place_(place) { place_ = std::move(value); }
  ~While() { place_.reset(); }
  While(const While&) = delete;
  While& operator=(const While&) = delete;

 private:
  std::optional<T>& place_;
};

}  // namespace

void CudaBackend::send(std::span<const std::int32_t> words, const at::Tensor& to) {
  const auto count = static_cast<std::int64_t>(words.size());
  const at::Tensor host = at::empty({count}, at::TensorOptions().dtype(at::kInt).pinned_memory(true));
  if (count > 0) std::memcpy(host.data_ptr(), words.data(), words.size_bytes());
  to.copy_(host, /*non_blocking=*/true);
}

at::Tensor CudaBackend::sent(std::span<const std::int32_t> words) {
  at::Tensor there = at::empty({static_cast<std::int64_t>(words.size())}, options(at::kInt));
  send(words, there);
  return there;
}

at::Tensor CudaBackend::forward(const ForwardInputs& in, const std::function<at::Tensor()>& compute) {
  const bool small = fits_bucket(in.batch);
  const Inputs inputs(in, kernels::cuda::query_tile(in.attention),
                      small ? Rounding::kBucketed : Rounding::kExact);
  const auto run = [&](const at::Tensor& there) {
    const While placed(placed_, PlacedInputs(in, inputs.sizes(), there.data_ptr<std::int32_t>()));
    return compute();
  };
  if (!small) return run(sent(inputs.words()));
  const std::size_t adapter = static_cast<std::size_t>(in.batch.runs[0].adapter);
  const GraphKey key{.body = in.body,
                     .adapter = in.adapters.projections.empty() ? nullptr : in.adapters.projections[adapter],
                     .queries = in.queries,
                     .sizes = inputs.sizes()};
  Graph* graph = graphs_.find(key);
  // If there are several adapters, each forward stores its own behind the weights.
  const bool turns = in.adapters.projections.size() > 1;
  if (graph == nullptr && graphs_.seen(key)) {
    if (turns) forget_adapters();
    const at::Tensor there = at::empty({static_cast<std::int64_t>(inputs.words().size())}, options(at::kInt));
    graph = graphs_.capture(key, there, [&] { return run(there); });
    if (turns) forget_adapters();
  }
  if (graph == nullptr) return run(sent(inputs.words()));
  send(inputs.words(), graph->inputs);
  if (turns) forget_adapters();
  return graphs_.replay(*graph);
}

void CudaBackend::forget_adapters() {
  for (auto& [linears, projection] : projections_) projection->behind = nullptr;
}

std::function<at::Tensor()> CudaBackend::to_host(const at::Tensor& x) {
  const at::Tensor host =
      at::empty(x.sizes(), at::TensorOptions().dtype(x.scalar_type()).pinned_memory(true));
  host.copy_(x, /*non_blocking=*/true);
  const auto done = std::make_shared<at::cuda::CUDAEvent>();
  done->record();
  return [host, done] {
    done->synchronize();
    return host;
  };
}

}  // namespace preferd::backend::cuda
