#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "base/check.h"
#include "model/backend/cuda/cuda_backend.h"
#include "model/backend/reference/compositions.h"
#include "model/kernels/cuda/backward.h"
#include "model/kernels/cuda/elementwise.h"
#include "model/kernels/cuda/head_norms.h"

namespace preferd::backend::cuda {
namespace {

namespace cuda = kernels::cuda;
using Half = __nv_bfloat16;

cuda::NormShape shape_of(const at::Tensor& x) { return {x.size(0), x.size(1)}; }

cuda::HeadNormShape heads_of(const at::Tensor& x, const Norm& norm) {
  const auto width = static_cast<std::int64_t>(norm.weight.size());
  TORCH_CHECK(width % 4 == 0, "norms of heads of ", width, " are not supported on cuda, only multiples of 4");
  return {x.size(0), x.size(1) / width, width};
}

}  // namespace

kernels::cuda::NormWeight CudaBackend::weight_of(const Norm& norm) {
  return {resident(norm.weight).data_ptr<float>(), norm.offset, norm.eps};
}

at::Tensor CudaBackend::narrow(const at::Tensor& x) { return empty_rows(x.size(0), x.size(1)).copy_(x); }

at::Tensor CudaBackend::add(const at::Tensor& x, const at::Tensor& z) { return x + z; }

void CudaBackend::scale_in_place(const at::Tensor& x, float factor) { x.mul_(static_cast<double>(factor)); }

at::Tensor CudaBackend::rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                                 Reader reader) {
  PREFERD_CHECK(!weight.defined());  // training has no norms here
  const at::Tensor y =
      reader == Reader::kLinears ? empty_rows(x.size(0), x.size(1)) : at::empty_like(x, x.options());
  const auto run = [&](auto from, auto to) {
    return cuda::rms_norm(stream(), shape_of(x), from, weight_of(norm), to);
  };
  require(x.scalar_type() == at::kBFloat16 ? run(rows_of<const Half>(x), rows_of<Half>(y))
          : y.scalar_type() == at::kFloat  ? run(rows_of<const float>(x), rows_of<float>(y))
                                           : run(rows_of<const float>(x), rows_of<Half>(y)),
          "rms_norm");
  return y;
}

Tensors CudaBackend::rms_norm_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                                       const Wanted&) {
  at::Tensor dx = at::empty(x.sizes(), x.options());
  const auto run = [&](auto from, auto gradient, auto to) {
    return cuda::rms_norm_dx(stream(), shape_of(x), from, weight_of(norm), gradient, to);
  };
  require(x.scalar_type() == at::kBFloat16
              ? run(rows_of<const Half>(x), rows_of<const Half>(dy), rows_of<Half>(dx))
          : dy.scalar_type() == at::kFloat
              ? run(rows_of<const float>(x), rows_of<const float>(dy), rows_of<float>(dx))
              : run(rows_of<const float>(x), rows_of<const Half>(dy), rows_of<float>(dx)),
          "rms_norm_dx");
  return {dx, at::Tensor()};
}

void CudaBackend::add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                               const at::Tensor& sum, const at::Tensor& y) {
  const cuda::NormWeight behind = after == nullptr ? cuda::NormWeight{} : weight_of(*after);
  const auto run = [&](auto to) {
    return cuda::add_rms_norm(stream(), shape_of(x), rows_of<const float>(x), rows_of<const Half>(z),
                              after == nullptr ? nullptr : &behind, weight_of(norm), rows_of<float>(sum), to);
  };
  require(y.scalar_type() == at::kFloat ? run(rows_of<float>(y)) : run(rows_of<Half>(y)), "add_rms_norm");
}

std::vector<at::Tensor> CudaBackend::add_rms_norm_backward(const at::Tensor& sum, const at::Tensor& z,
                                                           const Norm* after, const Norm& norm,
                                                           const at::Tensor& dsum, const at::Tensor& dy) {
  const cuda::NormWeight behind = after == nullptr ? cuda::NormWeight{} : weight_of(*after);
  const at::Tensor dx = at::empty_like(sum), dz = at::empty(z.sizes(), z.options());
  const auto run = [&]<class D>(cuda::Rows<const D> gradient) {
    return cuda::add_rms_norm_backward(
        stream(), shape_of(sum),
        cuda::AddNormBackward<D>{
            rows_of<const float>(sum), rows_of<const Half>(z), after == nullptr ? nullptr : &behind,
            weight_of(norm), rows_of<const float>(dsum), gradient, rows_of<float>(dx), rows_of<Half>(dz)});
  };
  require(dy.scalar_type() == at::kFloat ? run(rows_of<const float>(dy)) : run(rows_of<const Half>(dy)),
          "add_rms_norm_backward");
  return {dx, dz};
}

at::Tensor CudaBackend::norm_heads(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) {
  PREFERD_CHECK(!weight.defined());  // training has no norms here
  const at::Tensor y = empty_rows(x.size(0), x.size(1));
  require(cuda::norm_heads(stream(), heads_of(x, norm), rows_of<const Half>(x), weight_of(norm),
                           rows_of<Half>(y)),
          "norm_heads");
  return y;
}

Tensors CudaBackend::norm_heads_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                                         const Wanted&) {
  at::Tensor dx = dy.detach();
  require(cuda::norm_heads_dx(stream(), heads_of(x, norm), rows_of<const Half>(x), weight_of(norm),
                              rows_of<const Half>(dy), rows_of<Half>(dx)),
          "norm_heads_dx");
  return {dx, at::Tensor()};
}

void CudaBackend::norm_heads_in_place(const at::Tensor& x, const Norm& norm) {
  require(cuda::norm_heads(stream(), heads_of(x, norm), rows_of<const Half>(x), weight_of(norm),
                           rows_of<Half>(x)),
          "norm_heads");
}

at::Tensor CudaBackend::glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  const at::Tensor y = empty_rows(gate.size(0), gate.size(1));
  glu_to(kind, gate, up, y);
  return y;
}

void CudaBackend::glu_in_place(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  glu_to(kind, gate, up, gate);
}

void CudaBackend::glu_to(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                         const at::Tensor& y) {
  require(cuda::glu(stream(), kind, gate.size(0), gate.size(1), rows_of<const Half>(gate),
                    rows_of<const Half>(up), rows_of<Half>(y)),
          "glu");
}

// The gradients stand side by side, as the linears that made gate and up need them: their backward is then
// one product.
std::vector<at::Tensor> CudaBackend::glu_backward(kernels::Glu kind, const at::Tensor& gate,
                                                  const at::Tensor& up, const at::Tensor& dy) {
  const std::int64_t rows = gate.size(0), width = gate.size(1);
  const at::Tensor both = at::empty({rows, 2 * width}, options(at::kBFloat16));
  at::Tensor dgate = both.narrow(1, 0, width), dup = both.narrow(1, width, width);
  require(cuda::glu_backward(stream(), kind, rows, width,
                             {rows_of<const Half>(gate), rows_of<const Half>(up), rows_of<const Half>(dy),
                              rows_of<Half>(dgate), rows_of<Half>(dup)}),
          "glu_backward");
  return {dgate, dup};
}

void CudaBackend::rotate_rows(const at::Tensor& x, const std::int32_t* at, const Angles& angles,
                              kernels::Direction direction) {
  const at::Tensor cosine = resident(angles.cosine), sine = resident(angles.sine);
  require(cuda::rotate(stream(), x.size(0), static_cast<int>(x.size(1) / angles.head_dim),
                       static_cast<int>(angles.head_dim), static_cast<int>(angles.dim), rows_of<Half>(x), at,
                       cosine.data_ptr<float>(), sine.data_ptr<float>(), direction),
          "rotate");
}

at::Tensor CudaBackend::rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                               const Angles& angles) {
  at::Tensor y = x.detach();
  rotate_rows(y, uploaded(positions), angles, kernels::Direction::kForward);
  return y;
}

at::Tensor CudaBackend::rotate_backward(const at::Tensor& dy, std::span<const std::int32_t> positions,
                                        const Angles& angles) {
  at::Tensor dx = dy.detach();
  rotate_rows(dx, uploaded(positions), angles, kernels::Direction::kInverse);
  return dx;
}

void CudaBackend::rotate_in_place(std::span<const at::Tensor> tensors,
                                  std::span<const std::int32_t> positions, const Angles& angles) {
  const std::int32_t* at = uploaded(positions);
  for (const at::Tensor& x : tensors) rotate_rows(x, at, angles, kernels::Direction::kForward);
}

at::Tensor CudaBackend::layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                                   const at::Tensor& bias) {
  PREFERD_CHECK(!weight.defined() && !bias.defined());  // training has no norms here
  return reference::layer_norm(x, resident(norm.weight), resident(norm.bias), norm.eps, at::kFloat);
}

Tensors CudaBackend::layer_norm_backward(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& dy,
                                         const Wanted& wanted) {
  return reference::gradients(
      {x, resident(norm.weight), resident(norm.bias)}, wanted, dy,
      [&](const Tensors& t) { return reference::layer_norm(t[0], t[1], t[2], norm.eps, at::kFloat); });
}

void CudaBackend::add_layer_norm(const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                                 const at::Tensor& y) {
  y.copy_(layer_norm(x + z, norm, {}, {}));
}

at::Tensor CudaBackend::activate(kernels::Activation kind, const at::Tensor& x) {
  return reference::activate(kind, x);
}

at::Tensor CudaBackend::activate_backward(kernels::Activation kind, const at::Tensor& x,
                                          const at::Tensor& dy) {
  return reference::gradients({x}, {true}, dy,
                              [kind](const Tensors& t) { return reference::activate(kind, t[0]); })[0];
}

void CudaBackend::activate_in_place(kernels::Activation kind, const at::Tensor& x) {
  x.copy_(reference::activate(kind, x));
}

WithBackward CudaBackend::bidirectional_lstm_with_backward(const Context&, const Batch&,
                                                           const BidirectionalLstm&, const at::Tensor&,
                                                           const Wanted&) {
  TORCH_CHECK(false, "an LSTM is not trained by kernels on cuda");
}

at::Tensor CudaBackend::gather(const at::Tensor& x, std::span<const std::int32_t> rows) {
  const auto count = static_cast<std::int64_t>(rows.size()),
             size = static_cast<std::int64_t>(x.element_size());
  at::Tensor y = x.scalar_type() == at::kBFloat16 ? empty_rows(count, x.size(1))
                                                  : at::empty({count, x.size(1)}, x.options());
  require(cuda::gather(stream(), count, x.size(1) * size,
                       {static_cast<const std::byte*>(x.data_ptr()), x.stride(0) * size}, uploaded(rows),
                       {static_cast<std::byte*>(y.data_ptr()), y.stride(0) * size}),
          "gather");
  return y;
}

at::Tensor CudaBackend::embed(const Context&, std::span<const std::int32_t> ids, const Embedding& embedding,
                              const Adapters& adapters) {
  for (const AdapterRun& run : adapters.runs)
    TORCH_CHECK(adapters.find(run, embedding.module) == nullptr,
                "an adapter of the embedding is not supported on cuda");
  StoredCopy& table = tables_[quant::stored_address(embedding.table)];
  if (table.memory.empty()) table = upload(embedding.table, device());
  at::Tensor y =
      at::empty({static_cast<std::int64_t>(ids.size()), embedding.table.cols}, options(at::kFloat));
  require(cuda::decode_rows(stream(), table.matrix, uploaded(ids), y.size(0), rows_of<float>(y)), "embed");
  return y;
}

WithBackward CudaBackend::embed_with_backward(const Context&, std::span<const std::int32_t>, const Embedding&,
                                              const Adapters&, const Wanted&) {
  TORCH_CHECK(false, "an embedding is not trained on cuda");
}

}  // namespace preferd::backend::cuda
