// Linears that share their input are one matrix product, which includes the adapters: h = A x is written
// behind x, B is stored behind W, and the sum over k continues through both.
#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "model/backend/cuda/cuda_backend.h"
#include "model/kernels/cuda/round8.h"

namespace preferd::backend::cuda {
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

LowRank make_low_rank(const Projection& projection, std::span<const OfLinear> lora, at::TensorOptions bf16) {
  LowRank low;
  const checkpoint::LoraWeights* first = nullptr;
  bool one_scale = true;
  for (const OfLinear& l : lora)
    if (l) {
      if (first == nullptr) first = &*l;
      one_scale = one_scale && l->scale == first->scale;
      low.rank += l->a.rows;
    }
  low.rank = padded(low.rank);
  low.scale = one_scale ? first->scale : 1.0f;
  const at::Tensor a = at::zeros({low.rank, projection.in}, at::kFloat),
                   b = at::zeros({projection.out, low.rank}, at::kFloat);
  std::int64_t row = 0, out = 0;
  for (std::size_t i = 0; i < lora.size(); ++i) {
    if (const OfLinear& l = lora[i]) {
      a.narrow(0, row, l->a.rows).copy_(dense_floats(l->a));
      at::Tensor share = dense_floats(l->b);
      if (!one_scale) share.mul_(l->scale);
      b.narrow(0, out, projection.outs[i]).narrow(1, row, l->a.rows).copy_(share);
      row += l->a.rows;
    }
    out += projection.outs[i];
  }
  low.a = a.to(bf16);
  low.b = b.to(bf16);
  return low;
}

// The layer of a module "layers.N...."; a number beyond all layers for other modules.
std::int64_t layer_of(const std::string& module) {
  constexpr std::string_view kBegins = "layers.";
  std::int64_t layer = std::numeric_limits<std::int64_t>::max();
  if (module.starts_with(kBegins))
    std::from_chars(module.data() + kBegins.size(), module.data() + module.size(), layer);
  return layer;
}

// The part of t that belongs to a run's rows.
at::Tensor rows_at(const at::Tensor& t, const AdapterRun& run) {
  return run.first_row == 0 && run.rows == t.size(0) ? t : t.narrow(0, run.first_row, run.rows);
}

// Whether any adapter of these linears is trained. Then its values change between forwards, recorded or not.
bool trains(const Context& context, std::span<const Linear* const> linears, const Adapters& adapters) {
  for (const Linear* linear : linears)
    for (const AdapterRun& run : adapters.runs)
      if (const OfLinear l = adapters.find(run, *linear); l && context.leaf(l->a).defined()) return true;
  return false;
}

}  // namespace

Residency CudaBackend::residency_of(const Linear& linear) const {
  const bool kept = options_.residency == Residency::kFp8 && layer_of(linear.module) < options_.bf16_layers;
  return kept ? Residency::kDense : options_.residency;
}

Projection& CudaBackend::projection_of(std::span<const Linear* const> linears) {
  std::vector<const void*> key;
  for (const Linear* l : linears) key.push_back(quant::stored_address(l->weight));
  std::unique_ptr<Projection>& known = projections_[key];
  if (known) return *known;
  auto projection = std::make_unique<Projection>();
  projection->in = linears[0]->weight.cols;
  bool biased = false;
  for (const Linear* l : linears) {
    projection->outs.push_back(l->weight.rows);
    projection->out += l->weight.rows;
    biased = biased || !l->bias.empty();
  }
  projection->stride = stride_of(projection->in);
  if (biased) {
    projection->bias = at::zeros({projection->out}, options(at::kBFloat16));
    std::int64_t first = 0;
    for (const Linear* l : linears) {
      if (!l->bias.empty()) projection->bias.narrow(0, first, l->weight.rows).copy_(resident(l->bias));
      first += l->weight.rows;
    }
  }
  std::vector<StoredCopy> stored;
  for (const Linear* l : linears) stored.push_back(upload(l->weight, device()));
  switch (residency_of(*linears[0])) {
    case Residency::kPacked: {
      projection->packed = std::move(stored);
      const std::int64_t elements = projection->out * projection->stride;
      if (!scratch_.defined() || scratch_.numel() < elements) {
        graphs_.clear();
        scratch_ = at::empty({elements}, options(at::kBFloat16));
      }
      break;
    }
    case Residency::kDense:
      projection->dense = at::empty({projection->out, projection->stride}, options(at::kBFloat16));
      decode_to(stored, projection->dense);
      break;
    case Residency::kFp8: {
      TORCH_CHECK(projection->in % 16 == 0 && projection->out % 16 == 0, "residency fp8 of a linear of ",
                  projection->in, " x ", projection->out, ", expected multiples of 16");
      const at::Tensor whole = at::empty({projection->out, projection->in}, options(at::kBFloat16));
      decode_to(stored, whole);
      projection->rounded = at::empty({projection->out, projection->in}, options(at::kByte));
      projection->scale = at::empty({projection->out}, options(at::kFloat));
      require(cuda::round8(stream(), projection->out, projection->in, rows_of<const Half>(whole),
                           rows_of<__nv_fp8_e4m3>(projection->rounded), projection->scale.data_ptr<float>()),
              "round8");
      break;
    }
  }
  return *(known = std::move(projection));
}

const LowRank& CudaBackend::low_rank_of(Projection& projection, std::span<const OfLinear> lora) {
  std::vector<const void*> key;
  for (const OfLinear& l : lora) key.push_back(l ? quant::stored_address(l->a) : nullptr);
  std::unique_ptr<LowRank>& low = projection.low[key];
  if (!low) low = std::make_unique<LowRank>(make_low_rank(projection, lora, options(at::kBFloat16)));
  PREFERD_CHECK(low->rank <= room_);
  return *low;
}

void CudaBackend::multiply(cuda::Product product) { require(gemm_->multiply(stream(), product)); }

at::Tensor CudaBackend::with_room(const at::Tensor& x) {
  if (x.stride(0) >= padded(x.size(1)) + room_) return x;
  at::Tensor copy = empty_rows(x.size(0), x.size(1));
  copy.copy_(x);
  return copy;
}

at::Tensor CudaBackend::behind(const at::Tensor& x, std::int64_t columns) const {
  PREFERD_CHECK(x.stride(0) >= padded(x.size(1)) + columns);
  return x.as_strided({x.size(0), columns}, {x.stride(0), 1}, x.storage_offset() + padded(x.size(1)));
}

at::Tensor CudaBackend::matrix_of(const Projection& projection) const {
  if (projection.dense.defined()) return projection.dense;
  return scratch_.narrow(0, 0, projection.out * projection.stride).view({projection.out, projection.stride});
}

at::Tensor CudaBackend::weight_of(const Projection& projection) const {
  PREFERD_CHECK(!projection.rounded.defined());
  return matrix_of(projection).narrow(1, 0, projection.in);
}

std::vector<at::Tensor> CudaBackend::columns_of(const at::Tensor& y, const Projection& projection) {
  std::vector<at::Tensor> out;
  std::int64_t first = 0;
  for (const std::int64_t width : projection.outs) {
    out.push_back(y.narrow(1, first, width));
    first += width;
  }
  return out;
}

void CudaBackend::decode_to(std::span<const StoredCopy> stored, const at::Tensor& to) {
  std::int64_t first = 0;
  for (const StoredCopy& s : stored) {
    require(cuda::decode(stream(), s.matrix, rows_of<Half>(to.narrow(0, first, s.matrix.rows))), "decode");
    first += s.matrix.rows;
  }
}

void CudaBackend::decode_projection(Projection& projection) {
  if (projection.packed.empty()) return;
  decode_to(projection.packed, matrix_of(projection));
  projection.behind = nullptr;
}

// Writes h behind x.
void CudaBackend::project(const at::Tensor& x, const LowRank& low) {
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

void CudaBackend::apply(Projection& projection, const LowRank* low, const at::Tensor& x,
                        const at::Tensor& y) {
  if (projection.rounded.defined())
    multiply_fp8(projection, low, x, y);
  else
    multiply_bf16(projection, low, x, y);
}

void CudaBackend::multiply_bf16(Projection& projection, const LowRank* low, const at::Tensor& x,
                                const at::Tensor& y) {
  const at::Tensor matrix = matrix_of(projection);
  if (low != nullptr && projection.behind != low) {
    constexpr std::size_t kBytes = sizeof(Half);
    void* to = static_cast<Half*>(matrix.data_ptr()) + padded(projection.in);
    const std::size_t width = static_cast<std::size_t>(low->rank) * kBytes;
    require(cudaMemcpy2DAsync(to, static_cast<std::size_t>(projection.stride) * kBytes, low->b.data_ptr(),
                              width, width, static_cast<std::size_t>(projection.out),
                              cudaMemcpyDeviceToDevice, stream()),
            "an adapter's B");
    projection.behind = low;
  }
  cuda::Product p;
  p.shape = {.inner = low == nullptr ? projection.in : padded(projection.in) + low->rank,
             .outputs = projection.out,
             .x_stride = x.stride(0),
             .w_stride = projection.stride,
             .y_stride = y.stride(0),
             .bias = projection.bias.defined()};
  p.rows = x.size(0);
  p.x = x.data_ptr();
  p.w = matrix.data_ptr();
  p.y = y.data_ptr();
  p.bias = projection.bias.defined() ? projection.bias.data_ptr() : nullptr;
  multiply(p);
}

void CudaBackend::multiply_fp8(const Projection& projection, const LowRank* low, const at::Tensor& x,
                               const at::Tensor& y) {
  const at::Tensor rounded = at::empty({x.size(0), x.size(1)}, options(at::kByte)),
                   scale = at::empty({x.size(0)}, options(at::kFloat));
  require(cuda::round8(stream(), x.size(0), x.size(1), rows_of<const Half>(x),
                       rows_of<__nv_fp8_e4m3>(rounded), scale.data_ptr<float>()),
          "round8");
  cuda::Product p;
  p.shape = {.inner = projection.in,
             .outputs = projection.out,
             .x_stride = projection.in,
             .w_stride = projection.in,
             .y_stride = y.stride(0),
             .in = cuda::Element::kFp8,
             .bias = projection.bias.defined()};
  p.rows = x.size(0);
  p.x = rounded.data_ptr();
  p.x_scale = scale.data_ptr<float>();
  p.w = projection.rounded.data_ptr();
  p.w_scale = projection.scale.data_ptr<float>();
  p.y = y.data_ptr();
  p.bias = projection.bias.defined() ? projection.bias.data_ptr() : nullptr;
  multiply(p);
  if (low == nullptr) return;
  cuda::Product more;
  more.shape = {.inner = low->rank,
                .outputs = projection.out,
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

Tensors CudaBackend::linears(const Context& context, const at::Tensor& given,
                             std::span<const Linear* const> linears, const Adapters& adapters) {
  PREFERD_CHECK(given.scalar_type() == at::kBFloat16);
  if (trains(context, linears, adapters))
    return linears_with_backward(context, given, linears, adapters, Values::kRead, {false}).out;
  Projection& projection = projection_of(linears);
  decode_projection(projection);
  const at::Tensor x = with_room(given), y = empty_rows(x.size(0), projection.out);
  // W must be the matrix for both. Where the width of the input is not a multiple of 8, the columns between
  // are zeros.
  PREFERD_CHECK(projection.in % 8 == 0 || adapters.projections.empty());
  std::vector<OfLinear> lora(linears.size());
  const AdapterRun all{0, static_cast<std::int32_t>(x.size(0)), 0};
  for (const AdapterRun& run : adapters.projections.empty() ? std::span(&all, 1) : adapters.runs) {
    for (std::size_t i = 0; i < linears.size(); ++i) lora[i] = adapters.find(run, *linears[i]);
    const bool adapted =
        std::any_of(lora.begin(), lora.end(), [](const OfLinear& l) { return l.has_value(); });
    const LowRank* low = adapted ? &low_rank_of(projection, lora) : nullptr;
    const at::Tensor from = rows_at(x, run), to = rows_at(y, run);
    if (low != nullptr) project(from, *low);
    apply(projection, low, from, to);
  }
  return columns_of(y, projection);
}

}  // namespace preferd::backend::cuda
