#include "model/layers/encoder.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include "model/layers/chunks.h"

namespace preferd::layers {
namespace {

const backend::Linear* pick(DisentangledAttention::Positions positions, const backend::Linear& own,
                            const backend::Linear& shared) {
  switch (positions) {
    case DisentangledAttention::Positions::kNone: return nullptr;
    case DisentangledAttention::Positions::kOwn: return &own;
    case DisentangledAttention::Positions::kShared: return &shared;
  }
  return nullptr;
}

// The position tables under each adapter that the batch names.
std::vector<backend::RelativePositions> relative_positions(ops::Compute& compute,
                                                           const DisentangledAttention& layer,
                                                           const backend::Adapters& adapters,
                                                           const at::Tensor& positions) {
  const backend::Linear* key = pick(layer.position_key, layer.own_position_key, layer.key);
  const backend::Linear* query = pick(layer.position_query, layer.own_position_query, layer.query);
  std::vector<const backend::Linear*> projections;
  if (key != nullptr) projections.push_back(key);
  if (query != nullptr) projections.push_back(query);
  std::vector<backend::RelativePositions> out;
  if (projections.empty()) return out;
  for (const backend::AdapterRun& run : adapters.runs) {
    const auto same = [&](const backend::RelativePositions& r) { return r.adapter == run.adapter; };
    if (std::any_of(out.begin(), out.end(), same)) continue;
    const backend::AdapterRun all{0, static_cast<std::int32_t>(positions.size(0)), run.adapter};
    const auto tables = ops::linears(compute, positions, projections, {adapters.projections, {&all, 1}});
    out.push_back({run.adapter, key != nullptr ? tables.front() : at::Tensor(),
                   query != nullptr ? tables.back() : at::Tensor()});
  }
  return out;
}

at::Tensor seen_by(const EncoderForward& f, const DisentangledAttention& layer, const at::Tensor& x) {
  const backend::Linear* projections[] = {&layer.query, &layer.key, &layer.value};
  const auto qkv = ops::linears(f.compute, x, projections, f.adapters);
  std::vector<backend::RelativePositions> relative;
  if (f.positions.defined()) relative = relative_positions(f.compute, layer, f.adapters, f.positions);
  return ops::attention_both_ways(f.compute, layer.shape, f.batch, f.distances, relative, qkv[0], qkv[1],
                                  qkv[2]);
}

at::Tensor plain_mlp(ops::Compute& compute, const PlainMlp& layer, const at::Tensor& x,
                     const backend::Adapters& adapters) {
  const backend::Linear *up[] = {&layer.up}, *down[] = {&layer.down};
  const at::Tensor wide = ops::linears(compute, x, up, adapters)[0];
  const backend::Operand activated{ops::activate(compute, layer.activation, wide),
                                   [&compute, kind = layer.activation, wide = wide.detach()] {
                                     const at::NoGradGuard no_grad;
                                     return ops::activate(compute, kind, wide);
                                   }};
  return ops::linears(compute, activated, down, adapters)[0];
}

at::Tensor plain_mlp_in_place(ops::Compute& compute, const PlainMlp& layer, const at::Tensor& x,
                              const backend::Adapters& adapters) {
  const backend::Linear *up[] = {&layer.up}, *down[] = {&layer.down};
  const at::Tensor wide = ops::linears(compute, x, up, adapters)[0];
  ops::activate_in_place(compute, layer.activation, wide);
  return ops::linears(compute, wide, down, adapters)[0];
}

}  // namespace

std::vector<std::int32_t> token_types(const backend::Batch& batch, std::optional<std::int32_t> second_after) {
  std::vector<std::int32_t> out(batch.ids.size());
  if (!second_after) return out;
  for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
    const auto end = batch.ids.begin() + batch.offsets[i + 1];
    const auto last = std::find(batch.ids.begin() + batch.offsets[i], end, *second_after);
    if (last != end)
      std::fill(out.begin() + (last + 1 - batch.ids.begin()), out.begin() + batch.offsets[i + 1], 1);
  }
  return out;
}

at::Tensor encoder_block(const EncoderForward& f, const EncoderBlock& block, const at::Tensor& given,
                         const PooledRows* output, Input input) {
  const backend::Linear* out[] = {&block.attention.out};
  const backend::Adapters adapters{f.adapters.projections,
                                   output == nullptr ? f.adapters.runs : std::span(output->runs)};
  at::Tensor seen = seen_by(f, block.attention, given);
  if (output != nullptr) seen = ops::gather(f.compute, seen, output->rows);
  const at::Tensor x = output == nullptr ? given : ops::gather(f.compute, given, output->rows);
  if (f.compute.composed() || at::GradMode::is_enabled()) {
    const at::Tensor y =
        ops::layer_norm(f.compute, ops::add(f.compute, ops::linears(f.compute, seen, out, adapters)[0], x),
                        block.after_attention);
    return ops::layer_norm(f.compute, ops::add(f.compute, plain_mlp(f.compute, block.mlp, y, adapters), y),
                           block.after_mlp);
  }
  const at::Tensor to = output == nullptr && input == Input::kKept ? at::empty_like(x) : x;
  over_chunks(f.compute, x.size(0), adapters,
              [&](std::int64_t first, std::int64_t rows, const backend::Adapters& here) {
                const at::Tensor y = ops::linears(f.compute, chunk_of(seen, first, rows), out, here)[0];
                ops::add_layer_norm(f.compute, y, chunk_of(x, first, rows), block.after_attention, y);
                const at::Tensor z = plain_mlp_in_place(f.compute, block.mlp, y, here);
                ops::add_layer_norm(f.compute, z, y, block.after_mlp, chunk_of(to, first, rows));
              });
  return to;
}

}  // namespace preferd::layers
