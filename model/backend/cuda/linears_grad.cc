// Backward of y = x W^T + h B^T, h = scale A m(x), for linears that share x (m: dropout's mask, or nothing):
//
//   dh = dy B       dB = dy^T h      dA = scale dh^T m(x)      dx = dy W + m(dh scale A)
//
// The gradients of the linears stand side by side as one matrix, like their weights. So do their A and B,
// except that with dropout each linear's A reads x through a mask of its own. Products are ATen's; those for
// the gradients of A and B come out in fp32.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "model/backend/cuda/cuda_backend.h"
#include "model/kernels/cuda/dropout.h"

namespace preferd::backend::cuda {
namespace {

namespace cuda = kernels::cuda;
using Half = __nv_bfloat16;

// The share of an adapted linear in a projection.
struct Part {
  at::Tensor a, b;   // leaves
  std::size_t leaf;  // the place of A's gradient, which B's follows
  float scale;
  std::int64_t first_rank, rank, first_out, out;
  std::optional<cuda::DropoutMask> mask;

  at::Tensor columns_of(const at::Tensor& h) const { return h.narrow(1, first_rank, rank); }
  at::Tensor rows_of(const at::Tensor& all) const { return all.narrow(0, first_rank, rank); }
};

std::vector<Part> parts_of(const Context& context, std::span<const Linear* const> linears,
                           const Adapters& adapters) {
  const auto& dropout = context.dropout;
  std::vector<Part> parts;
  std::int64_t rank = 0, columns = 0;
  std::size_t leaf = 1;  // x comes first
  for (const Linear* linear : linears) {
    leaf += 2;  // the weight and the bias
    if (const OfLinear l = adapters.find(adapters.runs[0], *linear)) {
      Part part{context.leaf(l->a),
                context.leaf(l->b),
                leaf,
                l->scale,
                rank,
                l->a.rows,
                columns,
                linear->weight.rows,
                {}};
      PREFERD_CHECK(part.a.defined() && part.b.defined());
      if (dropout && dropout->adapter_p > 0)
        part.mask = {dropout_stream(dropout->key, linear->module), dropout_least(dropout->adapter_p),
                     dropout_scale(dropout->adapter_p)};
      parts.push_back(part);
      rank += part.rank;
      leaf += 2;
    }
    columns += linear->weight.rows;
  }
  return parts;
}

// Scale times A, and B, of all parts.
LowRank stacked(const std::vector<Part>& parts, const Projection& projection, at::TensorOptions bf16) {
  LowRank low;
  low.rank = (parts.back().first_rank + parts.back().rank + 7) / 8 * 8;
  low.a = at::zeros({low.rank, projection.in}, bf16);
  low.b = at::zeros({projection.out, low.rank}, bf16);
  for (const Part& part : parts) {
    part.rows_of(low.a).copy_(part.a.detach() * static_cast<double>(part.scale));
    part.columns_of(low.b.narrow(0, part.first_out, part.out)).copy_(part.b.detach());
  }
  return low;
}

// The gradients of all linears side by side; not copied if they already lie so.
at::Tensor joined(const std::vector<at::Tensor>& dy, const Projection& projection) {
  if (dy.size() == 1) return dy[0];
  const auto* at = static_cast<const std::byte*>(dy[0].data_ptr());
  bool adjacent = true;
  for (std::size_t i = 0; i < dy.size(); ++i) {
    adjacent = adjacent && dy[i].data_ptr() == at && dy[i].stride(0) == dy[0].stride(0) &&
               dy[i].stride(0) >= projection.out;
    at += projection.outs[i] * 2;
  }
  if (!adjacent) return at::cat(dy, 1);
  return dy[0].as_strided({dy[0].size(0), projection.out}, {dy[0].stride(0), 1});
}

}  // namespace

at::Tensor CudaBackend::dropped(const at::Tensor& x, const cuda::DropoutMask& mask) const {
  at::Tensor y = at::empty(x.sizes(), x.options());
  require(cuda::drop(stream(), x.size(0), x.size(1), mask, rows_of<const Half>(x), rows_of<Half>(y)),
          "dropout");
  return y;
}

void CudaBackend::add_dropped(const at::Tensor& x, const cuda::DropoutMask& mask, const at::Tensor& y) const {
  require(cuda::add_dropped(stream(), x.size(0), x.size(1), mask, rows_of<const Half>(x), rows_of<Half>(y)),
          "dropout");
}

WithBackward CudaBackend::linears_with_backward(const Context& context, const Operand& x,
                                                std::span<const Linear* const> linears,
                                                const Adapters& adapters, Values values,
                                                const Wanted& wanted) {
  PREFERD_CHECK(x.value.scalar_type() == at::kBFloat16);
  PREFERD_CHECK(adapters.runs.size() == 1);  // training has one adapter
  for (const Linear* linear : linears)
    PREFERD_CHECK(!context.leaf(linear->weight).defined() && !context.leaf(linear->bias).defined());
  const std::vector<Part> parts = parts_of(context, linears, adapters);
  Projection& projection = projection_of(linears);
  const bool adapted = !parts.empty(), masked = adapted && parts[0].mask;
  LowRank low;
  if (adapted) low = stacked(parts, projection, options(at::kBFloat16));
  const at::Tensor input = with_room(x.value.detach());
  if (masked) {
    const at::Tensor to = behind(input, low.rank).zero_();
    for (const Part& part : parts)
      part.columns_of(to).copy_(at::mm(dropped(input, *part.mask), part.rows_of(low.a).t()));
  } else if (adapted) {
    project(input, low);
  }
  const at::Tensor h = adapted ? behind(input, low.rank).contiguous() : at::Tensor();
  const at::Tensor y = empty_rows(input.size(0), projection.out);
  if (values == Values::kRead) {
    decode_projection(projection);
    apply(projection, adapted ? &low : nullptr, input, y);
    projection.behind = nullptr;
  }
  const auto again = x.again ? x.again : [kept = adapted ? x.value.detach() : at::Tensor()] { return kept; };
  return {columns_of(y, projection),
          [this, &projection, parts, masked, low, h, again, wanted](const Tensors& gradients) {
            const at::Tensor dy = joined(gradients, projection);
            Tensors out(wanted.size());
            if (wanted[0]) {
              decode_projection(projection);
              out[0] = at::mm(dy, weight_of(projection));
            }
            if (parts.empty()) return out;
            const at::Tensor dh = at::mm(dy, low.b), db = at::mm(dy.t(), h, at::kFloat), read = again();
            const at::Tensor da = masked ? at::Tensor() : at::mm(dh.t(), read, at::kFloat);
            for (const Part& part : parts) {
              const at::Tensor own =
                  masked ? at::mm(part.columns_of(dh).t(), dropped(read, *part.mask), at::kFloat)
                         : part.rows_of(da);
              out[part.leaf] = own * static_cast<double>(part.scale);
              out[part.leaf + 1] = part.columns_of(db.narrow(0, part.first_out, part.out)).contiguous();
              if (wanted[0] && masked)
                add_dropped(at::mm(part.columns_of(dh), part.rows_of(low.a)), *part.mask, out[0]);
            }
            if (wanted[0] && !masked) out[0].addmm_(dh, low.a);
            return out;
          }};
}

}  // namespace preferd::backend::cuda
