#include "model/layers/decoder.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "model/layers/pool.h"
#include "model/ops/rows.h"

namespace preferd {
namespace {

constexpr std::int64_t kMlpRows = 1024;

std::vector<std::int32_t> positions_of(const Batch& batch, std::span<const std::int32_t> rows) {
  std::vector<std::int32_t> positions;
  for (const std::int32_t row : rows) positions.push_back(batch.positions[static_cast<std::size_t>(row)]);
  return positions;
}

// The parts of runs that fall into rows [first, first + rows), counted from `first`.
std::vector<AdapterRun> cut_runs(std::span<const AdapterRun> runs, std::int64_t first, std::int64_t rows) {
  std::vector<AdapterRun> out;
  for (const AdapterRun& run : runs) {
    const std::int64_t begin = std::max<std::int64_t>(run.first_row, first);
    const std::int64_t end = std::min<std::int64_t>(run.first_row + run.rows, first + rows);
    if (begin < end)
      out.push_back(
          {static_cast<std::int32_t>(begin - first), static_cast<std::int32_t>(end - begin), run.adapter});
  }
  return out;
}

// Made again in backward.
Operand gated(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  return {glu(compute, kind, gate, up), [&compute, kind, gate = gate.detach(), up = up.detach()] {
            const at::NoGradGuard no_grad;
            return glu(compute, kind, gate, up);
          }};
}

}  // namespace

Operand normed(Compute& compute, const Norm& norm, const at::Tensor& x) {
  const at::Tensor y = rms_norm(compute, x, norm);
  if (!at::GradMode::is_enabled()) return y;
  return {y, [&compute, &norm, x = x.detach()] {
            const at::NoGradGuard no_grad;
            return rms_norm(compute, x, norm);
          }};
}

at::Tensor self_attention(const Forward& f, const SelfAttention& layer, const Operand& x, Queries queries,
                          std::span<const AdapterRun> pooled_runs) {
  const auto turn = [&](const at::Tensor& t, std::span<const std::int32_t> positions) {
    return rotate(f.compute, t, positions, f.rope.cosine, f.rope.sine,
                  static_cast<std::int64_t>(layer.shape.head_dim));
  };
  if (queries == Queries::kAllRows) {
    const Linear* sites[] = {&layer.query, &layer.key, &layer.value};
    const auto qkv = linears(f.compute, x, sites, f.adapters);
    const at::Tensor seen =
        attention(f.compute, layer.shape, f.batch, queries, turn(qkv[0], f.batch.positions),
                  turn(qkv[1], f.batch.positions), qkv[2]);
    const Linear* out[] = {&layer.out};
    return linears(f.compute, seen, out, f.adapters)[0];
  }
  const Linear* sites[] = {&layer.key, &layer.value};
  const auto kv = linears(f.compute, x, sites, f.adapters);
  const auto rows = last_rows(f.batch);
  const Adapters adapters{f.adapters.sites, pooled_runs};
  const Linear* query[] = {&layer.query};
  const at::Tensor q = linears(f.compute, gather(x.value, rows), query, adapters)[0];
  const at::Tensor seen =
      attention(f.compute, layer.shape, f.batch, queries, turn(q, positions_of(f.batch, rows)),
                turn(kv[0], f.batch.positions), kv[1]);
  const Linear* out[] = {&layer.out};
  return linears(f.compute, seen, out, adapters)[0];
}

at::Tensor gated_mlp(Compute& compute, const GatedMlp& layer, const Operand& x, const Adapters& adapters) {
  const Linear* in[] = {&layer.gate, &layer.up};
  const Linear* out[] = {&layer.down};
  if (compute.composed() || at::GradMode::is_enabled()) {
    const auto gate_up = linears(compute, x, in, adapters);
    return linears(compute, gated(compute, layer.glu, gate_up[0], gate_up[1]), out, adapters)[0];
  }
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < x.value.size(0); first += kMlpRows) {
    const std::int64_t rows = std::min(kMlpRows, x.value.size(0) - first);
    const auto runs = cut_runs(adapters.runs, first, rows);
    const Adapters here{adapters.sites, runs};
    const auto gate_up = linears(compute, x.value.narrow(0, first, rows), in, here);
    parts.push_back(linears(compute, glu(compute, layer.glu, gate_up[0], gate_up[1]), out, here)[0]);
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace preferd
