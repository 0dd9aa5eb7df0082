#include "model/layers/decoder.h"

#include <ATen/core/grad_mode.h>

#include "model/layers/chunks.h"
#include "model/layers/pool.h"
#include "model/ops/rows.h"

namespace preferd {
namespace {

std::vector<std::int32_t> positions_of(const Batch& batch, std::span<const std::int32_t> rows) {
  std::vector<std::int32_t> positions;
  for (const std::int32_t row : rows) positions.push_back(batch.positions[static_cast<std::size_t>(row)]);
  return positions;
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
  return in_chunks(x.value, adapters, [&](const at::Tensor& rows, const Adapters& here) {
    const auto gate_up = linears(compute, rows, in, here);
    return linears(compute, glu(compute, layer.glu, gate_up[0], gate_up[1]), out, here)[0];
  });
}

}  // namespace preferd
