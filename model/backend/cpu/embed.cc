#include <algorithm>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/cpu/panels.h"

namespace preferd::backend {
namespace cpu {
namespace {

constexpr std::size_t kTokens = 16;  // per work item

// Rows of one adapter: h = scale * (columns of A that the ids name), [rows, r].
struct Picked {
  const checkpoint::LoraWeights* projection;
  AdapterRun run;
  at::Tensor h;
};

Picked pick(Workers& workers, std::span<const std::int32_t> ids, const checkpoint::LoraWeights& projection,
            const AdapterRun& run) {
  Picked out{&projection, run, at::empty({run.rows, projection.a.rows}, at::kFloat)};
  float* all = out.h.data_ptr<float>();
  const auto rows = static_cast<std::size_t>(run.rows), rank = static_cast<std::size_t>(projection.a.rows);
  workers.pool().run(ceil_div(rows, kTokens), [&](std::size_t item, int) {
    for (std::size_t i = item * kTokens; i < std::min(rows, (item + 1) * kTokens); ++i) {
      const std::int32_t id = ids[static_cast<std::size_t>(run.first_row) + i];
      float* h = all + i * rank;
      for (std::int64_t j = 0; j < projection.a.rows; ++j, ++h) {
        quant::decode(projection.a, j, id, 1, h);
        *h *= projection.scale;
      }
    }
  });
  return out;
}

struct EmbedForward {
  at::Tensor y;
  std::vector<Picked> low;
};

EmbedForward run_embed(Workers& workers, std::span<const std::int32_t> ids, const Embedding& embedding,
                       const Adapters& adapters) {
  const std::int64_t cols = embedding.table.cols;
  EmbedForward forward{at::empty({static_cast<std::int64_t>(ids.size()), cols}, at::kFloat), {}};
  float* out = forward.y.data_ptr<float>();
  const auto width = static_cast<std::size_t>(cols);
  workers.pool().run(ceil_div(ids.size(), kTokens), [&](std::size_t item, int) {
    for (std::size_t i = item * kTokens; i < std::min(ids.size(), (item + 1) * kTokens); ++i)
      quant::decode(embedding.table, ids[i], 0, cols, out + i * width);
  });
  for (const AdapterRun& run : adapters.runs) {
    const checkpoint::LoraWeights* lora = adapters.find(run, embedding.module);
    if (lora == nullptr) continue;
    forward.low.push_back(pick(workers, ids, *lora, run));
    const RowsOf<const float> h{forward.low.back().h.data_ptr<float>(),
                                static_cast<std::size_t>(lora->a.rows)};
    float* to = out + static_cast<std::size_t>(run.first_row) * width;
    workers.pool().run(ceil_div(width, group_width()), [&](std::size_t item, int worker) {
      const std::size_t c = item * group_width();
      times_transposed(h, lora->b, {c, std::min(group_width(), width - c)},
                       static_cast<std::size_t>(run.rows), kernels::Start::kContinue, {to + c, width},
                       workers.scratch(worker, panel_scratch()));
    });
  }
  return forward;
}

at::Tensor gradient_of_table(Workers& workers, std::span<const std::int32_t> ids, const at::Tensor& dy,
                             std::int64_t vocabulary) {
  at::Tensor gradient = at::zeros({vocabulary, dy.size(1)}, at::kFloat);
  const auto width = static_cast<std::size_t>(dy.size(1));
  const float* from = dy.data_ptr<float>();
  float* to = gradient.data_ptr<float>();
  workers.pool().run(ceil_div(width, group_width()), [&](std::size_t item, int) {
    const std::size_t first = item * group_width(), end = std::min(width, first + group_width());
    for (std::size_t i = 0; i < ids.size(); ++i)
      for (std::size_t j = first; j < end; ++j)
        to[static_cast<std::size_t>(ids[i]) * width + j] += from[i * width + j];
  });
  return gradient;
}

// dA [r, vocabulary] from dh [rows, r].
at::Tensor gradient_of_a(std::span<const std::int32_t> ids, const Picked& low, const at::Tensor& dh) {
  at::Tensor gradient = at::zeros({low.projection->a.rows, low.projection->a.cols}, at::kFloat);
  const float* from = dh.data_ptr<float>();
  float* to = gradient.data_ptr<float>();
  for (std::int32_t i = 0; i < low.run.rows; ++i)
    for (std::int64_t j = 0; j < low.projection->a.rows; ++j)
      to[j * low.projection->a.cols + ids[static_cast<std::size_t>(low.run.first_row + i)]] +=
          *from++ * low.projection->scale;
  return gradient;
}

// Gradients of A and B for one run; undefined where not wanted.
std::pair<at::Tensor, at::Tensor> gradients_of(Workers& workers, std::span<const std::int32_t> ids,
                                               const Picked& low, const at::Tensor& all,
                                               std::pair<bool, bool> wanted) {
  const at::Tensor dy = all.narrow(0, low.run.first_row, low.run.rows);
  const RowsOf<const float> from{dy.data_ptr<float>(), static_cast<std::size_t>(dy.size(1))};
  const std::size_t rank = static_cast<std::size_t>(low.projection->a.rows);
  const auto rows = static_cast<std::size_t>(low.run.rows);
  std::pair<at::Tensor, at::Tensor> out;
  float* scratch = workers.scratch(0, panel_scratch());
  if (wanted.first) {
    at::Tensor dh = at::empty_like(low.h);
    for (std::size_t c = 0; c < rank; c += group_width())
      times(from, low.projection->b, {c, std::min(group_width(), rank - c)}, rows, kernels::Start::kZero,
            {dh.data_ptr<float>() + c, rank}, scratch);
    out.first = gradient_of_a(ids, low, dh);
  }
  if (wanted.second) {
    const RowsOf<const float> h{low.h.data_ptr<float>(), rank};
    at::Tensor turned = at::empty({low.projection->a.rows, dy.size(1)}, at::kFloat);
    for (std::size_t first = 0; first < rank; first += kRowChunk)
      for (std::size_t c = 0; c < from.stride; c += group_width())
        outer(h, first, std::min(kRowChunk, rank - first), from,
              {c, std::min(group_width(), from.stride - c)}, rows,
              {turned.data_ptr<float>() + first * from.stride + c, from.stride}, scratch);
    out.second = turned.t().contiguous();
  }
  return out;
}

}  // namespace
}  // namespace cpu

at::Tensor CpuBackend::embed(const Context&, std::span<const std::int32_t> ids, const Embedding& embedding,
                             const Adapters& adapters) {
  return cpu::run_embed(workers_, ids, embedding, adapters).y;
}

WithBackward CpuBackend::embed_with_backward(const Context&, std::span<const std::int32_t> ids,
                                             const Embedding& embedding, const Adapters& adapters,
                                             const Wanted& wanted) {
  cpu::EmbedForward forward = cpu::run_embed(workers_, ids, embedding, adapters);
  return {{std::move(forward.y)},
          [this, wanted, owned = std::vector<std::int32_t>(ids.begin(), ids.end()),
           low = std::move(forward.low), vocabulary = embedding.table.rows](const Tensors& dy) {
            Tensors gradients = {wanted[0] ? cpu::gradient_of_table(workers_, owned, dy[0], vocabulary)
                                           : at::Tensor()};
            for (const cpu::Picked& l : low) {
              const std::size_t at = gradients.size();
              const auto [a, b] = cpu::gradients_of(workers_, owned, l, dy[0], {wanted[at], wanted[at + 1]});
              gradients.insert(gradients.end(), {a, b});
            }
            return gradients;
          }};
}

}  // namespace preferd::backend
