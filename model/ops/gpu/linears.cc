// Linears that share their input are one matrix product. What adapters add is part of it: h = A x is written
// behind x, B stands behind W, and the sum over k goes on through both.
#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "model/kernels/cuda/round8.h"
#include "model/ops/gpu/cuda_gpu.h"
#include "model/ops/record.h"

namespace preferd::gpu {
namespace {

namespace cuda = kernels::cuda;
using Half = __nv_bfloat16;

std::int64_t padded(std::int64_t n) { return (n + 7) / 8 * 8; }

at::Tensor dense_floats(const quant::Matrix& m) {
  at::Tensor out = at::empty({m.rows, m.cols}, at::kFloat);
  for (std::int64_t row = 0; row < m.rows; ++row)
    quant::decode(m, row, 0, m.cols, out.data_ptr<float>() + row * m.cols);
  return out;
}

LowRank make_low_rank(const Site& site, std::span<const LoraSite* const> lora, at::TensorOptions bf16) {
  LowRank low;
  const LoraSite* first = nullptr;
  bool one_scale = true;
  for (const LoraSite* l : lora)
    if (l != nullptr) {
      if (first == nullptr) first = l;
      one_scale = one_scale && l->scale == first->scale;
      low.rank += l->a.rows;
    }
  low.rank = padded(low.rank);
  low.scale = one_scale ? first->scale : 1.0f;
  const at::Tensor a = at::zeros({low.rank, site.in}, at::kFloat),
                   b = at::zeros({site.out, low.rank}, at::kFloat);
  std::int64_t row = 0, out = 0;
  for (std::size_t i = 0; i < lora.size(); ++i) {
    if (const LoraSite* l = lora[i]) {
      a.narrow(0, row, l->a.rows).copy_(dense_floats(l->a));
      at::Tensor share = dense_floats(l->b);
      if (!one_scale) share.mul_(l->scale);
      b.narrow(0, out, site.outs[i]).narrow(1, row, l->a.rows).copy_(share);
      row += l->a.rows;
    }
    out += site.outs[i];
  }
  low.a = a.to(bf16);
  low.b = b.to(bf16);
  return low;
}

// Of a module "layers.N...."; past all layers for others.
std::int64_t layer_of(const std::string& module) {
  constexpr std::string_view kBegins = "layers.";
  std::int64_t layer = std::numeric_limits<std::int64_t>::max();
  if (module.starts_with(kBegins))
    std::from_chars(module.data() + kBegins.size(), module.data() + module.size(), layer);
  return layer;
}

// The part of a run's rows.
at::Tensor rows_at(const at::Tensor& t, const AdapterRun& run) {
  return run.first_row == 0 && run.rows == t.size(0) ? t : t.narrow(0, run.first_row, run.rows);
}

}  // namespace

Residency CudaGpu::residency_of(const Linear& linear) const {
  const bool kept = options_.residency == Residency::kFp8 && layer_of(linear.module) < options_.bf16_layers;
  return kept ? Residency::kDense : options_.residency;
}

Site& CudaGpu::site_of(std::span<const Linear* const> linears) {
  std::vector<const void*> key;
  for (const Linear* l : linears) key.push_back(quant::stored_address(l->weight));
  std::unique_ptr<Site>& known = sites_[key];
  if (known) return *known;
  auto site = std::make_unique<Site>();
  site->in = linears[0]->weight.cols;
  bool biased = false;
  for (const Linear* l : linears) {
    site->outs.push_back(l->weight.rows);
    site->out += l->weight.rows;
    biased = biased || !l->bias.empty();
  }
  site->stride = stride_of(site->in);
  if (biased) {
    site->bias = at::zeros({site->out}, options(at::kBFloat16));
    std::int64_t first = 0;
    for (const Linear* l : linears) {
      if (!l->bias.empty()) site->bias.narrow(0, first, l->weight.rows).copy_(resident(l->bias));
      first += l->weight.rows;
    }
  }
  std::vector<StoredCopy> stored;
  for (const Linear* l : linears) stored.push_back(upload(l->weight, device()));
  switch (residency_of(*linears[0])) {
    case Residency::kPacked: {
      site->packed = std::move(stored);
      const std::int64_t elements = site->out * site->stride;
      if (!scratch_.defined() || scratch_.numel() < elements) {
        graphs_.clear();
        scratch_ = at::empty({elements}, options(at::kBFloat16));
      }
      break;
    }
    case Residency::kDense:
      site->dense = at::empty({site->out, site->stride}, options(at::kBFloat16));
      decode_to(stored, site->dense);
      break;
    case Residency::kFp8: {
      TORCH_CHECK(site->in % 16 == 0 && site->out % 16 == 0, "residency fp8 of a linear of ", site->in, " x ",
                  site->out, ", expected multiples of 16");
      const at::Tensor whole = at::empty({site->out, site->in}, options(at::kBFloat16));
      decode_to(stored, whole);
      site->rounded = at::empty({site->out, site->in}, options(at::kByte));
      site->scale = at::empty({site->out}, options(at::kFloat));
      require(cuda::round8(stream(), site->out, site->in, rows_of<const Half>(whole),
                           rows_of<__nv_fp8_e4m3>(site->rounded), site->scale.data_ptr<float>()),
              "round8");
      break;
    }
  }
  return *(known = std::move(site));
}

const LowRank& CudaGpu::low_rank_of(Site& site, std::span<const LoraSite* const> lora) {
  std::vector<const void*> key;
  for (const LoraSite* l : lora) key.push_back(l == nullptr ? nullptr : quant::stored_address(l->a));
  std::unique_ptr<LowRank>& low = site.low[key];
  if (!low) low = std::make_unique<LowRank>(make_low_rank(site, lora, options(at::kBFloat16)));
  PREFERD_CHECK(low->rank <= room_);
  return *low;
}

void CudaGpu::multiply(cuda::Product product) { require(gemm_->multiply(stream(), product)); }

at::Tensor CudaGpu::with_room(const at::Tensor& x) {
  if (x.stride(0) >= padded(x.size(1)) + room_) return x;
  at::Tensor copy = empty_rows(x.size(0), x.size(1));
  copy.copy_(x);
  return copy;
}

at::Tensor CudaGpu::behind(const at::Tensor& x, std::int64_t columns) const {
  PREFERD_CHECK(x.stride(0) >= padded(x.size(1)) + columns);
  return x.as_strided({x.size(0), columns}, {x.stride(0), 1}, x.storage_offset() + padded(x.size(1)));
}

at::Tensor CudaGpu::matrix_of(const Site& site) const {
  if (site.dense.defined()) return site.dense;
  return scratch_.narrow(0, 0, site.out * site.stride).view({site.out, site.stride});
}

at::Tensor CudaGpu::weight_of(const Site& site) const {
  PREFERD_CHECK(!site.rounded.defined());
  return matrix_of(site).narrow(1, 0, site.in);
}

std::vector<at::Tensor> CudaGpu::columns_of(const at::Tensor& y, const Site& site) {
  std::vector<at::Tensor> out;
  std::int64_t first = 0;
  for (const std::int64_t width : site.outs) {
    out.push_back(y.narrow(1, first, width));
    first += width;
  }
  return out;
}

void CudaGpu::decode_to(std::span<const StoredCopy> stored, const at::Tensor& to) {
  std::int64_t first = 0;
  for (const StoredCopy& s : stored) {
    require(cuda::decode(stream(), s.matrix, rows_of<Half>(to.narrow(0, first, s.matrix.rows))), "decode");
    first += s.matrix.rows;
  }
}

void CudaGpu::decode_site(Site& site) {
  if (site.packed.empty()) return;
  decode_to(site.packed, matrix_of(site));
  site.behind = nullptr;
}

// h, behind x.
void CudaGpu::project(const at::Tensor& x, const LowRank& low) {
  const at::Tensor h = behind(x, low.rank);
  cuda::Product p;
  p.shape = {.inner = x.size(1),
             .outputs = low.rank,
             .x_stride = x.stride(0),
             .w_stride = low.a.stride(0),
             .y_stride = h.stride(0)};
  p.rows = x.size(0);
  p.x = x.data_ptr();
  p.w = low.a.data_ptr();
  p.y = h.data_ptr();
  p.alpha = low.scale;
  multiply(p);
}

void CudaGpu::apply(Site& site, const LowRank* low, const at::Tensor& x, const at::Tensor& y) {
  if (site.rounded.defined())
    multiply_fp8(site, low, x, y);
  else
    multiply_bf16(site, low, x, y);
}

void CudaGpu::multiply_bf16(Site& site, const LowRank* low, const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor matrix = matrix_of(site);
  if (low != nullptr && site.behind != low) {
    constexpr std::size_t kBytes = sizeof(Half);
    void* to = static_cast<Half*>(matrix.data_ptr()) + padded(site.in);
    const std::size_t width = static_cast<std::size_t>(low->rank) * kBytes;
    require(cudaMemcpy2DAsync(to, static_cast<std::size_t>(site.stride) * kBytes, low->b.data_ptr(), width,
                              width, static_cast<std::size_t>(site.out), cudaMemcpyDeviceToDevice, stream()),
            "an adapter's B");
    site.behind = low;
  }
  cuda::Product p;
  p.shape = {.inner = low == nullptr ? site.in : padded(site.in) + low->rank,
             .outputs = site.out,
             .x_stride = x.stride(0),
             .w_stride = site.stride,
             .y_stride = y.stride(0),
             .bias = site.bias.defined()};
  p.rows = x.size(0);
  p.x = x.data_ptr();
  p.w = matrix.data_ptr();
  p.y = y.data_ptr();
  p.bias = site.bias.defined() ? site.bias.data_ptr() : nullptr;
  multiply(p);
}

void CudaGpu::multiply_fp8(const Site& site, const LowRank* low, const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor rounded = at::empty({x.size(0), x.size(1)}, options(at::kByte)),
                   scale = at::empty({x.size(0)}, options(at::kFloat));
  require(cuda::round8(stream(), x.size(0), x.size(1), rows_of<const Half>(x),
                       rows_of<__nv_fp8_e4m3>(rounded), scale.data_ptr<float>()),
          "round8");
  cuda::Product p;
  p.shape = {.inner = site.in,
             .outputs = site.out,
             .x_stride = site.in,
             .w_stride = site.in,
             .y_stride = y.stride(0),
             .in = cuda::Element::kFp8,
             .bias = site.bias.defined()};
  p.rows = x.size(0);
  p.x = rounded.data_ptr();
  p.x_scale = scale.data_ptr<float>();
  p.w = site.rounded.data_ptr();
  p.w_scale = site.scale.data_ptr<float>();
  p.y = y.data_ptr();
  p.bias = site.bias.defined() ? site.bias.data_ptr() : nullptr;
  multiply(p);
  if (low == nullptr) return;
  cuda::Product more;
  more.shape = {.inner = low->rank,
                .outputs = site.out,
                .x_stride = x.stride(0),
                .w_stride = low->rank,
                .y_stride = y.stride(0),
                .adds = true};
  more.rows = x.size(0);
  more.x = behind(x, low->rank).data_ptr();
  more.w = low->b.data_ptr();
  more.y = y.data_ptr();
  multiply(more);
}

std::vector<at::Tensor> CudaGpu::linears(const Compute& compute, const Operand& operand,
                                         std::span<const Linear* const> linears, const Adapters& adapters,
                                         Values values) {
  PREFERD_CHECK(operand.value.scalar_type() == at::kBFloat16 &&
                operand.value.size(1) == linears[0]->weight.cols);
  if (wants_gradient(operand.value) || trains(compute, linears, adapters))
    return recorded_linears(compute, operand, linears, adapters, values);
  Site& site = site_of(linears);
  decode_site(site);
  const at::Tensor x = with_room(operand.value), y = empty_rows(x.size(0), site.out);
  // W has to be the matrix of both: where the input is no multiple of 8 wide, the columns between are zeros.
  PREFERD_CHECK(site.in % 8 == 0 || adapters.sites.empty());
  std::vector<const LoraSite*> lora(linears.size());
  const AdapterRun all{0, static_cast<std::int32_t>(x.size(0)), 0};
  for (const AdapterRun& run : adapters.sites.empty() ? std::span(&all, 1) : adapters.runs) {
    for (std::size_t i = 0; i < linears.size(); ++i) lora[i] = adapters.find(run, linears[i]->module);
    const bool adapted =
        std::any_of(lora.begin(), lora.end(), [](const LoraSite* l) { return l != nullptr; });
    const LowRank* low = adapted ? &low_rank_of(site, lora) : nullptr;
    const at::Tensor from = rows_at(x, run), to = rows_at(y, run);
    if (low != nullptr) project(from, *low);
    apply(site, low, from, to);
  }
  return columns_of(y, site);
}

}  // namespace preferd::gpu
