// Backward of y = x W^T + h B^T, h = scale A m(x), of linears that share x (m: dropout's mask, or nothing):
//
//   dh = dy B       dB = dy^T h      dA = scale dh^T m(x)      dx = dy W + scale m(dh A)
//
// The linears' gradients side by side are one matrix, as their weights are. Products are ATen's; those that
// give gradients of A and B come out in fp32.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "model/ops/gpu/cuda_gpu.h"
#include "model/ops/record.h"

namespace preferd::gpu {
namespace {

// The gradients of all linears side by side: where they already lie so, without a copy.
at::Tensor joined(const std::vector<at::Tensor>& dy, const Site& site) {
  if (dy.size() == 1) return dy[0];
  const auto* at = static_cast<const std::byte*>(dy[0].data_ptr());
  bool adjacent = true;
  for (std::size_t i = 0; i < dy.size(); ++i) {
    adjacent = adjacent && dy[i].data_ptr() == at && dy[i].stride(0) == dy[0].stride(0) &&
               dy[i].stride(0) >= site.out;
    at += site.outs[i] * 2;
  }
  if (!adjacent) return at::cat(dy, 1);
  return dy[0].as_strided({dy[0].size(0), site.out}, {dy[0].stride(0), 1});
}

}  // namespace

bool CudaGpu::wants_gradient_of(const Compute& compute, const at::Tensor& x,
                                std::span<const Linear* const> linears, const Adapters& adapters) const {
  if (!at::GradMode::is_enabled()) return false;
  if (x.requires_grad()) return true;
  for (const Linear* linear : linears)
    for (const AdapterRun& run : adapters.runs)
      if (const LoraSite* l = adapters.find(run, linear->module);
          l != nullptr && compute.live(l->a) != nullptr)
        return true;
  return false;
}

std::vector<at::Tensor> CudaGpu::recorded_linears(const Compute& compute, const Operand& x,
                                                  std::span<const Linear* const> linears,
                                                  const Adapters& adapters) {
  PREFERD_CHECK(adapters.runs.size() == 1);  // training has one adapter
  for (const Linear* linear : linears)
    PREFERD_CHECK(compute.live(linear->weight) == nullptr && compute.live(linear->bias) == nullptr);
  struct Part {
    const at::Tensor *a, *b;
    float scale;
    std::int64_t first_rank, rank, first_out, out;
    std::optional<std::uint64_t> mask;  // the stream of its dropout
  };
  std::vector<Part> parts;
  std::vector<at::Tensor> inputs = {x.value};
  std::int64_t rank = 0, columns = 0;
  const auto dropout = compute.dropout();
  for (const Linear* linear : linears) {
    if (const LoraSite* l = adapters.find(adapters.runs[0], linear->module)) {
      const at::Tensor *a = compute.live(l->a), *b = compute.live(l->b);
      PREFERD_CHECK(a != nullptr && b != nullptr);
      std::optional<std::uint64_t> mask;
      if (dropout && dropout->adapter_p > 0) mask = dropout_stream(dropout->key, linear->module);
      parts.push_back({a, b, l->scale, rank, l->a.rows, columns, linear->weight.rows, mask});
      inputs.push_back(*a);
      inputs.push_back(*b);
      rank += l->a.rows;
    }
    columns += linear->weight.rows;
  }
  Site& site = site_of(linears);
  const std::int64_t padded = (rank + 7) / 8 * 8;
  const double p = dropout ? dropout->adapter_p : 0;
  const auto seen = [p](const at::Tensor& input, const Part& part) {
    return part.mask ? input * dropout_factors(*part.mask, p, input.sizes(), input.options()) : input;
  };

  // h of all parts, and B's columns: [rows, padded], [out, padded].
  at::Tensor h, b;
  const auto forward = [&] {
    const at::Tensor input = with_room(x.value.detach());
    LowRank low;
    if (rank > 0) {
      low.rank = padded;
      low.b = at::zeros({site.out, padded}, options(at::kBFloat16));
      const at::Tensor all = at::zeros({input.size(0), padded}, options(at::kBFloat16));
      for (const Part& part : parts) {
        low.b.narrow(0, part.first_out, part.out)
            .narrow(1, part.first_rank, part.rank)
            .copy_(part.b->detach());
        all.narrow(1, part.first_rank, part.rank)
            .copy_(at::mm(seen(input, part), part.a->detach().to(at::kBFloat16).t()).mul_(part.scale));
      }
      behind(input, padded).copy_(all);
      h = all;
      b = low.b;
    }
    decode_site(site);
    const at::Tensor y = empty_rows(input.size(0), site.out);
    apply(site, rank > 0 ? &low : nullptr, input, y);
    site.behind = nullptr;
    return columns_of(y, site);
  };
  std::vector<at::Tensor> y = forward();
  const bool to_x = wants_gradient(x.value);
  const auto again = x.again ? x.again : [kept = rank > 0 ? x.value.detach() : at::Tensor()] { return kept; };
  return record(
      inputs, [&] { return y; },
      [this, &site, parts, h, b, again, to_x, rank, seen](const std::vector<at::Tensor>& gradients) {
        const at::Tensor dy = joined(gradients, site);
        std::vector<at::Tensor> out = {at::Tensor()};
        if (to_x) {
          decode_site(site);
          out[0] = at::mm(dy, weight_of(site));
        }
        if (rank == 0) return out;
        const at::Tensor dh = at::mm(dy, b), db = at::mm(dy.t(), h, at::kFloat), input = again();
        for (const Part& part : parts) {
          const at::Tensor own = dh.narrow(1, part.first_rank, part.rank) * static_cast<double>(part.scale);
          out.push_back(at::mm(own.t(), seen(input, part), at::kFloat));
          out.push_back(
              db.narrow(0, part.first_out, part.out).narrow(1, part.first_rank, part.rank).contiguous());
          if (!to_x) continue;
          const at::Tensor a = part.a->detach().to(at::kBFloat16);
          if (part.mask)
            out[0].add_(seen(at::mm(own, a), part));
          else
            out[0].addmm_(own, a);
        }
        return out;
      });
}

}  // namespace preferd::gpu
