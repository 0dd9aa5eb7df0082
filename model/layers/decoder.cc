#include "model/layers/decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include "model/layers/chunks.h"
#include "model/ops/encoders.h"
#include "model/ops/rows.h"

namespace preferd::layers {
namespace {

// Recomputed in backward.
backend::Operand gated(ops::Compute& compute, kernels::Glu kind, const at::Tensor& gate,
                       const at::Tensor& up) {
  return {ops::glu(compute, kind, gate, up), [&compute, kind, gate = gate.detach(), up = up.detach()] {
            const at::NoGradGuard no_grad;
            return ops::glu(compute, kind, gate, up);
          }};
}

using OptionalNorm = std::optional<backend::Norm>;

// The norm of a sum for linears.
at::Tensor norm_for_linears(ops::Compute& compute, const StreamNorm& norm, const at::Tensor& sum) {
  if (const auto* rms = std::get_if<backend::Norm>(&norm)) return ops::rms_norm(compute, sum, *rms);
  const auto* whole = std::get_if<backend::LayerNorm>(&norm);
  return ops::narrow(compute, whole != nullptr ? ops::layer_norm(compute, sum, *whole) : sum);
}

// y; recomputed by `norm` from the sum.
backend::Operand normed(ops::Compute& compute, const StreamNorm& norm, const ops::Added& t) {
  if (!at::GradMode::is_enabled()) return t.y;
  return {t.y, [&compute, &norm, sum = t.sum.detach()] {
            const at::NoGradGuard no_grad;
            return norm_for_linears(compute, norm, sum);
          }};
}

// The sum x + z, or x + after(z), and what the linears that follow read of it.
ops::Added added(ops::Compute& compute, const at::Tensor& x, const at::Tensor& z, const OptionalNorm& after,
                 const StreamNorm& norm) {
  if (const auto* rms = std::get_if<backend::Norm>(&norm)) return ops::added(compute, x, z, after, *rms);
  const at::Tensor sum =
      z.defined() ? ops::add(compute, x, after ? ops::rms_norm(compute, z, *after) : z) : x;
  return {sum, norm_for_linears(compute, norm, sum)};
}

// The same in x and y.
void add(ops::Compute& compute, const at::Tensor& x, const at::Tensor& z, const OptionalNorm& after,
         const StreamNorm& norm, const at::Tensor& y) {
  if (const auto* rms = std::get_if<backend::Norm>(&norm))
    return ops::add_rms_norm(compute, x, z, after, *rms, y);
  ops::add_in_place(compute, x, z, after, y);
  if (const auto* whole = std::get_if<backend::LayerNorm>(&norm))
    y.copy_(ops::layer_norm(compute, x, *whole));
}

bool in_place(const Forward& f) { return !f.compute.composed() && !at::GradMode::is_enabled(); }

// Norms the heads of queries or keys where the layer does, in place if nothing is recorded.
void norm_heads(const Forward& f, const std::optional<backend::Norm>& norm, at::Tensor& x) {
  if (!norm) return;
  if (in_place(f)) return ops::norm_heads_in_place(f.compute, x, *norm);
  x = ops::norm_heads(f.compute, x, *norm);
}

// Rotates queries and keys by their positions where the layer does, in place if nothing is recorded.
void rotate_by_position(const Forward& f, const SelfAttention& layer, std::span<const std::int32_t> positions,
                        std::span<at::Tensor> tensors) {
  if (!layer.rotated) return;
  const backend::Angles angles{f.rope.cosine, f.rope.sine, static_cast<std::int64_t>(layer.shape.head_dim),
                               f.rope.dim};
  if (in_place(f)) return ops::rotate_in_place(f.compute, tensors, positions, angles);
  for (at::Tensor& t : tensors) t = ops::rotate(f.compute, t, positions, angles);
}

// Queries, keys and values of what by_heads gives: copies, each contiguous.
std::vector<at::Tensor> split_by_heads(const SelfAttention& layer, const at::Tensor& y) {
  const auto rows = y.size(0), groups = static_cast<std::int64_t>(layer.shape.kv_heads),
             d = static_cast<std::int64_t>(layer.shape.head_dim);
  const std::int64_t queries = static_cast<std::int64_t>(layer.shape.query_heads) / groups;
  const at::Tensor heads = y.view({rows, groups, queries + 2, d});
  std::vector<at::Tensor> out;
  for (const auto& [first, count] : {std::pair{std::int64_t{0}, queries}, {queries, 1}, {queries + 1, 1}})
    out.push_back(heads.narrow(2, first, count).reshape({rows, groups * count * d}).contiguous());
  return out;
}

// The same for the output rows: of queries only those, of keys and values all. x is released as soon as it has
// been read.
std::vector<at::Tensor> query_key_value(const Forward& f, const SelfAttention& layer, backend::Operand x,
                                        const OutputRows& output) {
  const bool all = output.queries == backend::Queries::kAllRows;
  if (layer.by_heads) {
    const backend::Linear* one[] = {&*layer.by_heads};
    const at::Tensor y = ops::linears(f.compute, x, one, f.adapters)[0];
    x = at::Tensor();
    auto qkv = split_by_heads(layer, y);
    if (!all) qkv[0] = ops::gather(f.compute, qkv[0], output.rows);
    return qkv;
  }
  if (all) {
    const backend::Linear* projections[] = {&layer.query, &layer.key, &layer.value};
    return ops::linears(f.compute, x, projections, f.adapters);
  }
  const backend::Linear *projections[] = {&layer.key, &layer.value}, *query[] = {&layer.query};
  auto kv = ops::linears(f.compute, x, projections, f.adapters);
  auto q = ops::linears(f.compute, ops::gather(f.compute, x.value, output.rows), query,
                        {f.adapters.projections, output.pooled_runs});
  return {q[0], kv[0], kv[1]};
}

at::Tensor output_rows(const Forward& f, const at::Tensor& x, const OutputRows& output) {
  return output.queries == backend::Queries::kAllRows ? x : ops::gather(f.compute, x, output.rows);
}

// Attention's result for all rows, with the whole sequence in sight.
at::Tensor seen_both_ways(const Forward& f, const SelfAttention& layer, backend::Operand x) {
  auto qkv = query_key_value(f, layer, std::move(x), {});
  norm_heads(f, layer.query_norm, qkv[0]);
  norm_heads(f, layer.key_norm, qkv[1]);
  rotate_by_position(f, layer, f.positions, std::span(qkv).first(2));
  static const backend::Distances kNone;
  const kernels::AttentionShape& s = layer.shape;
  return ops::attention_both_ways(f.compute, {s.query_heads, s.head_dim, s.scale, s.window}, f.batch, kNone,
                                  {}, qkv[0], qkv[1], qkv[2]);
}

// Attention's result for the output rows, [.., q].
at::Tensor seen_by(const Forward& f, const SelfAttention& layer, backend::Operand x,
                   const OutputRows& output) {
  if (layer.both_ways) return output_rows(f, seen_both_ways(f, layer, std::move(x)), output);
  auto qkv = query_key_value(f, layer, std::move(x), output);
  norm_heads(f, layer.query_norm, qkv[0]);
  norm_heads(f, layer.key_norm, qkv[1]);
  if (output.queries == backend::Queries::kAllRows) {
    rotate_by_position(f, layer, f.positions, std::span(qkv).first(2));
  } else {
    rotate_by_position(f, layer, f.positions, std::span(qkv).subspan(1, 1));
    rotate_by_position(f, layer, output.positions, std::span(qkv).first(1));
  }
  return ops::attention(f.compute, layer.shape, f.batch, output.queries, qkv[0], qkv[1], qkv[2]);
}

backend::Adapters output_adapters(const Forward& f, const OutputRows& output) {
  return {f.adapters.projections,
          output.queries == backend::Queries::kAllRows ? f.adapters.runs : output.pooled_runs};
}

at::Tensor mlp_of(ops::Compute& compute, const GatedMlp& layer, const backend::Operand& x,
                  const backend::Adapters& adapters, backend::Values values) {
  const backend::Linear *in[] = {&layer.gate, &layer.up}, *out[] = {&layer.down};
  const auto gate_up = ops::linears(compute, x, in, adapters);
  return ops::linears(compute, gated(compute, layer.glu, gate_up[0], gate_up[1]), out, adapters, values)[0];
}

at::Tensor mlp_of(ops::Compute& compute, const PlainMlp& layer, const backend::Operand& x,
                  const backend::Adapters& adapters, backend::Values values) {
  const backend::Linear *in[] = {&layer.up}, *out[] = {&layer.down};
  const at::Tensor up = ops::linears(compute, x, in, adapters)[0];
  const backend::Operand active{ops::activate(compute, layer.activation, up),
                                [&compute, &layer, up = up.detach()] {
                                  const at::NoGradGuard no_grad;
                                  return ops::activate(compute, layer.activation, up);
                                }};
  return ops::linears(compute, active, out, adapters, values)[0];
}

// Without recording.
at::Tensor served_mlp(ops::Compute& compute, const GatedMlp& layer, const at::Tensor& x,
                      const backend::Adapters& adapters) {
  return ops::gated_mlp(compute, layer.glu, x, layer.gate, layer.up, layer.down, adapters);
}

at::Tensor served_mlp(ops::Compute& compute, const PlainMlp& layer, const at::Tensor& x,
                      const backend::Adapters& adapters) {
  const backend::Linear *in[] = {&layer.up}, *out[] = {&layer.down};
  const at::Tensor up = ops::linears(compute, x, in, adapters)[0];
  ops::activate_in_place(compute, layer.activation, up);
  return ops::linears(compute, up, out, adapters)[0];
}

}  // namespace

PendingResidual decoder_block(const Forward& f, const DecoderBlock& block, const PendingResidual& in,
                              const OutputRows& output, backend::Values values) {
  static const OptionalNorm kNone;
  const backend::Adapters adapters = output_adapters(f, output);
  const backend::Linear* out[] = {&block.attention.out};
  const ops::Added x =
      added(f.compute, in.x, in.z, in.block != nullptr ? in.block->after_mlp : kNone, block.before_attention);
  const at::Tensor seen = seen_by(f, block.attention, normed(f.compute, block.before_attention, x), output);
  const at::Tensor stream = output_rows(f, x.sum, output),
                   attended = ops::linears(f.compute, seen, out, adapters)[0];
  const ops::Added y = block.parallel
                           ? added(f.compute, stream, {}, kNone, block.before_mlp)
                           : added(f.compute, stream, attended, block.after_attention, block.before_mlp);
  const backend::Operand read = normed(f.compute, block.before_mlp, y);
  const at::Tensor z =
      std::visit([&](const auto& mlp) { return mlp_of(f.compute, mlp, read, adapters, values); }, block.mlp);
  return {block.parallel ? ops::add(f.compute, y.sum, attended) : y.sum, z, &block};
}

at::Tensor final_states(ops::Compute& compute, const PendingResidual& in, const StreamNorm& norm) {
  if (const auto* rms = std::get_if<backend::Norm>(&norm))
    return ops::added(compute, in.x, in.z, in.block->after_mlp, *rms, backend::Reader::kHead).y;
  const at::Tensor sum = ops::widen(compute, ops::add(compute, in.x, in.z));
  return ops::layer_norm(compute, sum, std::get<backend::LayerNorm>(norm));
}

at::Tensor first_normed(ops::Compute& compute, const at::Tensor& x, const DecoderBlock& block) {
  return norm_for_linears(compute, block.before_attention, x);
}

Stream advance(const Forward& f, const DecoderBlock& block, Stream stream, const StreamNorm& next,
               backend::Reader reader, const OutputRows& output) {
  const at::Tensor seen = seen_by(f, block.attention, std::move(stream.normed), output);
  Stream to{output_rows(f, stream.x, output), {}};
  stream.x.reset();
  // A chunk's rows of attention's result have been read by the time its norm is written.
  const bool fits = seen.sizes() == to.x.sizes() &&
                    (reader == backend::Reader::kLinears || seen.scalar_type() == to.x.scalar_type());
  to.normed = fits                                  ? seen
              : reader == backend::Reader::kLinears ? ops::empty_rows(f.compute, to.x.size(0), to.x.size(1))
                                                    : at::empty_like(to.x);
  const backend::Linear* out[] = {&block.attention.out};
  over_chunks(f.compute, to.x.size(0), output_adapters(f, output),
              [&](std::int64_t first, std::int64_t rows, const backend::Adapters& here) {
                const at::Tensor x = chunk_of(to.x, first, rows);
                const at::Tensor y = ops::linears(f.compute, chunk_of(seen, first, rows), out, here)[0];
                at::Tensor read = y;
                if (block.parallel) {
                  read = norm_for_linears(f.compute, block.before_mlp, x);
                  x.add_(y);
                } else {
                  add(f.compute, x, y, block.after_attention, block.before_mlp, y);
                }
                const at::Tensor z = std::visit(
                    [&](const auto& mlp) { return served_mlp(f.compute, mlp, read, here); }, block.mlp);
                add(f.compute, x, z, block.after_mlp, next, chunk_of(to.normed, first, rows));
              });
  return to;
}

}  // namespace preferd::layers
