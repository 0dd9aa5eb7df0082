#include "model/layers/encoder.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>

#include "model/layers/chunks.h"

namespace preferd {
namespace {

const Linear* pick(DisentangledAttention::Positions positions, const Linear& own, const Linear& shared) {
  switch (positions) {
    case DisentangledAttention::Positions::kNone: return nullptr;
    case DisentangledAttention::Positions::kOwn: return &own;
    case DisentangledAttention::Positions::kShared: return &shared;
  }
  return nullptr;
}

// The position tables under each adapter that the batch names.
std::vector<RelativePositions> relative_positions(Compute& compute, const DisentangledAttention& layer,
                                                  const Adapters& adapters, const at::Tensor& positions) {
  const Linear* key = pick(layer.position_key, layer.own_position_key, layer.key);
  const Linear* query = pick(layer.position_query, layer.own_position_query, layer.query);
  std::vector<const Linear*> sites;
  if (key != nullptr) sites.push_back(key);
  if (query != nullptr) sites.push_back(query);
  std::vector<RelativePositions> out;
  if (sites.empty()) return out;
  for (const AdapterRun& run : adapters.runs) {
    const auto same = [&](const RelativePositions& r) { return r.adapter == run.adapter; };
    if (std::any_of(out.begin(), out.end(), same)) continue;
    const AdapterRun all{0, static_cast<std::int32_t>(positions.size(0)), run.adapter};
    const auto tables = linears(compute, positions, sites, {adapters.sites, {&all, 1}});
    out.push_back({run.adapter, key != nullptr ? tables.front() : at::Tensor(),
                   query != nullptr ? tables.back() : at::Tensor()});
  }
  return out;
}

}  // namespace

at::Tensor disentangled_attention(Compute& compute, const DisentangledAttention& layer, const Batch& batch,
                                  const Adapters& adapters, const Distances& distances,
                                  const at::Tensor& positions, const at::Tensor& x) {
  const Linear* sites[] = {&layer.query, &layer.key, &layer.value};
  const auto qkv = linears(compute, x, sites, adapters);
  std::vector<RelativePositions> relative;
  if (positions.defined()) relative = relative_positions(compute, layer, adapters, positions);
  const at::Tensor seen =
      attention_both_ways(compute, layer.shape, batch, distances, relative, qkv[0], qkv[1], qkv[2]);
  const Linear* out[] = {&layer.out};
  return linears(compute, seen, out, adapters)[0];
}

at::Tensor plain_mlp(Compute& compute, const PlainMlp& layer, const at::Tensor& x, const Adapters& adapters) {
  const Linear* up[] = {&layer.up};
  const Linear* down[] = {&layer.down};
  if (compute.composed() || at::GradMode::is_enabled()) {
    const at::Tensor wide = linears(compute, x, up, adapters)[0];
    const Operand bent{bend(compute, layer.bend, wide), [&compute, kind = layer.bend, wide = wide.detach()] {
                         const at::NoGradGuard no_grad;
                         return bend(compute, kind, wide);
                       }};
    return linears(compute, bent, down, adapters)[0];
  }
  return in_chunks(x, adapters, [&](const at::Tensor& rows, const Adapters& here) {
    return linears(compute, bend(compute, layer.bend, linears(compute, rows, up, here)[0]), down, here)[0];
  });
}

}  // namespace preferd
