#include "model/layers/decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include "model/layers/chunks.h"
#include "model/ops/rows.h"

namespace preferd {
namespace {

// Made again in backward.
Operand gated(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  return {glu(compute, kind, gate, up), [&compute, kind, gate = gate.detach(), up = up.detach()] {
            const at::NoGradGuard no_grad;
            return glu(compute, kind, gate, up);
          }};
}

// y; made again by `norm` of the sum.
Operand normed(Compute& compute, const Norm& norm, const Added& t) {
  if (!at::GradMode::is_enabled()) return t.y;
  return {t.y, [&compute, &norm, sum = t.sum.detach()] {
            const at::NoGradGuard no_grad;
            return rms_norm(compute, sum, norm);
          }};
}

// Rotates queries and keys by their positions; in place where nothing is recorded.
void rotate_by_position(const Forward& f, const SelfAttention& layer, std::span<const std::int32_t> positions,
                        std::span<at::Tensor> tensors) {
  const auto dim = static_cast<std::int64_t>(layer.shape.head_dim);
  if (!f.compute.composed() && !at::GradMode::is_enabled())
    return rotate_in_place(f.compute, tensors, positions, f.rope.cosine, f.rope.sine, dim);
  for (at::Tensor& t : tensors) t = rotate(f.compute, t, positions, f.rope.cosine, f.rope.sine, dim);
}

// What attention gives for the output rows, [.., q]; x is let go as soon as it was read.
at::Tensor seen_by(const Forward& f, const SelfAttention& layer, Operand x, const OutputRows& output) {
  if (output.queries == Queries::kAllRows) {
    const Linear* projections[] = {&layer.query, &layer.key, &layer.value};
    auto qkv = linears(f.compute, x, projections, f.adapters);
    x = at::Tensor();
    rotate_by_position(f, layer, f.batch.positions, std::span(qkv).first(2));
    return attention(f.compute, layer.shape, f.batch, output.queries, qkv[0], qkv[1], qkv[2]);
  }
  const Linear *projections[] = {&layer.key, &layer.value}, *query[] = {&layer.query};
  auto kv = linears(f.compute, x, projections, f.adapters);
  auto q = linears(f.compute, gather(f.compute, x.value, output.rows), query,
                   {f.adapters.projections, output.pooled_runs});
  x = at::Tensor();
  rotate_by_position(f, layer, f.batch.positions, std::span(kv).first(1));
  rotate_by_position(f, layer, output.positions, q);
  return attention(f.compute, layer.shape, f.batch, output.queries, q[0], kv[0], kv[1]);
}

at::Tensor output_rows(const Forward& f, const at::Tensor& x, const OutputRows& output) {
  return output.queries == Queries::kAllRows ? x : gather(f.compute, x, output.rows);
}

Adapters output_adapters(const Forward& f, const OutputRows& output) {
  return {f.adapters.projections, output.queries == Queries::kAllRows ? f.adapters.runs : output.pooled_runs};
}

at::Tensor gated_mlp(Compute& compute, const GatedMlp& layer, const Operand& x, const Adapters& adapters,
                     Values values) {
  const Linear *in[] = {&layer.gate, &layer.up}, *out[] = {&layer.down};
  const auto gate_up = linears(compute, x, in, adapters);
  return linears(compute, gated(compute, layer.glu, gate_up[0], gate_up[1]), out, adapters, values)[0];
}

at::Tensor gated_mlp_in_place(Compute& compute, const GatedMlp& layer, const at::Tensor& x,
                              const Adapters& adapters) {
  const Linear *in[] = {&layer.gate, &layer.up}, *out[] = {&layer.down};
  if (compute.arithmetic() != Arithmetic::kFp32)
    return linears(compute, gated_rows(compute, layer.glu, x, layer.gate, layer.up, adapters), out,
                   adapters)[0];
  auto gate_up = linears(compute, x, in, adapters);
  glu_in_place(compute, layer.glu, gate_up[0], gate_up[1]);
  gate_up.pop_back();
  return linears(compute, gate_up[0], out, adapters)[0];
}

}  // namespace

PendingResidual decoder_block(const Forward& f, const DecoderBlock& block, const PendingResidual& in,
                              const OutputRows& output, Values values) {
  static const std::optional<Norm> kNone;
  const Adapters adapters = output_adapters(f, output);
  const Linear* out[] = {&block.attention.out};
  const Added x =
      added(f.compute, in.x, in.z, in.block != nullptr ? in.block->after_mlp : kNone, block.before_attention);
  const at::Tensor seen = seen_by(f, block.attention, normed(f.compute, block.before_attention, x), output);
  const Added y = added(f.compute, output_rows(f, x.sum, output), linears(f.compute, seen, out, adapters)[0],
                        block.after_attention, block.before_mlp);
  return {y.sum, gated_mlp(f.compute, block.mlp, normed(f.compute, block.before_mlp, y), adapters, values),
          &block};
}

at::Tensor final_states(Compute& compute, const PendingResidual& in, const Norm& norm) {
  return added(compute, in.x, in.z, in.block->after_mlp, norm, Reader::kHead).y;
}

Stream advance(const Forward& f, const DecoderBlock& block, Stream stream, const Norm& next, Reader reader,
               const OutputRows& output) {
  const at::Tensor seen = seen_by(f, block.attention, std::move(stream.normed), output);
  Stream to{output_rows(f, stream.x, output), {}};
  stream.x.reset();
  // A chunk's rows of what attention gave were read when its norm is written.
  const bool fits = seen.sizes() == to.x.sizes() &&
                    (reader == Reader::kLinears || seen.scalar_type() == to.x.scalar_type());
  to.normed = fits                         ? seen
              : reader == Reader::kLinears ? empty_rows(f.compute, to.x.size(0), to.x.size(1))
                                           : at::empty_like(to.x);
  const Linear* out[] = {&block.attention.out};
  over_chunks(f.compute, to.x.size(0), output_adapters(f, output),
              [&](std::int64_t first, std::int64_t rows, const Adapters& here) {
                const at::Tensor x = chunk_of(to.x, first, rows);
                const at::Tensor y = linears(f.compute, chunk_of(seen, first, rows), out, here)[0];
                add_rms_norm(f.compute, x, y, block.after_attention, block.before_mlp, y);
                const at::Tensor z = gated_mlp_in_place(f.compute, block.mlp, y, here);
                add_rms_norm(f.compute, x, z, block.after_mlp, next, chunk_of(to.normed, first, rows));
              });
  return to;
}

}  // namespace preferd
