#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "base/check.h"
#include "model/kernels/cuda/elementwise.h"
#include "model/ops/gpu/cuda_gpu.h"

namespace preferd::gpu {
namespace {

namespace cuda = kernels::cuda;
using Half = __nv_bfloat16;

cuda::NormShape shape_of(const at::Tensor& x) { return {x.size(0), x.size(1)}; }

}  // namespace

kernels::cuda::NormWeight CudaGpu::weight_of(const Norm& norm) {
  return {resident(norm.weight).data_ptr<float>(), norm.offset, norm.eps};
}

void CudaGpu::rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& y) {
  const auto from = rows_of<const float>(x);
  require(y.scalar_type() == at::kFloat
              ? cuda::rms_norm(stream(), shape_of(x), from, weight_of(norm), rows_of<float>(y))
              : cuda::rms_norm(stream(), shape_of(x), from, weight_of(norm), rows_of<Half>(y)),
          "rms_norm");
}

void CudaGpu::add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                           const at::Tensor& y) {
  const cuda::NormWeight behind = after == nullptr ? cuda::NormWeight{} : weight_of(*after);
  const auto run = [&](auto to) {
    return cuda::add_rms_norm(stream(), shape_of(x), rows_of<float>(x), rows_of<const Half>(z),
                              after == nullptr ? nullptr : &behind, weight_of(norm), to);
  };
  require(y.scalar_type() == at::kFloat ? run(rows_of<float>(y)) : run(rows_of<Half>(y)), "add_rms_norm");
}

void CudaGpu::glu_in_place(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  require(cuda::glu(stream(), kind, gate.size(0), gate.size(1), rows_of<const Half>(gate),
                    rows_of<const Half>(up), rows_of<Half>(gate)),
          "glu");
}

void CudaGpu::rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                              const Angles& angles) {
  const at::Tensor at = uploaded(positions), cosine = resident(angles.cosine), sine = resident(angles.sine);
  for (const at::Tensor& x : tensors)
    require(cuda::rotate(stream(), x.size(0), static_cast<int>(x.size(1) / angles.head_dim),
                         static_cast<int>(angles.head_dim), rows_of<Half>(x), at.data_ptr<std::int32_t>(),
                         cosine.data_ptr<float>(), sine.data_ptr<float>()),
            "rotate");
}

at::Tensor CudaGpu::gather(const at::Tensor& x, std::span<const std::int32_t> rows) {
  const auto count = static_cast<std::int64_t>(rows.size()),
             size = static_cast<std::int64_t>(x.element_size());
  at::Tensor y = x.scalar_type() == at::kBFloat16 ? empty_rows(count, x.size(1))
                                                  : at::empty({count, x.size(1)}, x.options());
  require(cuda::gather(stream(), count, x.size(1) * size,
                       {static_cast<const std::byte*>(x.data_ptr()), x.stride(0) * size},
                       uploaded(rows).data_ptr<std::int32_t>(),
                       {static_cast<std::byte*>(y.data_ptr()), y.stride(0) * size}),
          "gather");
  return y;
}

at::Tensor CudaGpu::embed(std::span<const std::int32_t> ids, const Embedding& embedding,
                          const Adapters& adapters) {
  for (const AdapterRun& run : adapters.runs)
    TORCH_CHECK(adapters.find(run, embedding.module) == nullptr,
                "an adapter of the embedding is not computed on cuda");
  StoredCopy& table = tables_[quant::stored_address(embedding.table)];
  if (table.memory.empty()) table = upload(embedding.table, device());
  at::Tensor y =
      at::empty({static_cast<std::int64_t>(ids.size()), embedding.table.cols}, options(at::kFloat));
  require(cuda::decode_rows(stream(), table.matrix, uploaded(ids).data_ptr<std::int32_t>(), y.size(0),
                            rows_of<float>(y)),
          "embed");
  return y;
}

}  // namespace preferd::gpu
