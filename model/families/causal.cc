#include "model/families/causal.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "model/backend/accelerator.h"
#include "model/backend/pad_to_bucket.h"
#include "model/layers/chunks.h"
#include "model/layers/decoder.h"
#include "model/layers/pool.h"
#include "model/ops/recompute.h"
#include "model/ops/rows.h"

namespace preferd::families {
namespace {

using Projections = std::span<const std::map<std::string, checkpoint::LoraWeights>* const>;

// What a forward reads besides weights. Borrows the batch and the projections. `picks`: the pooling whose rows are
// all that the last block computes; kMean: it computes every row.
struct Inputs {
  Inputs(const backend::Batch& all, const layers::RopeTable& rope, package::Pooling picks,
         Projections projections)
      : batch(all),
        adapters{projections, all.runs},
        pooled_runs(layers::runs_of_pooled(all)),
        positions(layers::rope_rows(rope, all)),
        last_rows(picks == package::Pooling::kMean ? layers::last_rows(all)
                                                   : layers::pooled_rows(all, picks)) {
    for (const std::int32_t row : last_rows)
      last_positions.push_back(positions[static_cast<std::size_t>(row)]);
    if (picks != package::Pooling::kMean)
      last = {backend::Queries::kPooledRows, last_rows, last_positions, pooled_runs};
  }
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;

  const backend::Batch& batch;
  backend::Adapters adapters;
  std::vector<backend::AdapterRun> pooled_runs;
  std::vector<std::int32_t> positions;  // [rows] of the rotary table
  std::vector<std::int32_t> last_rows, last_positions;
  layers::OutputRows last;  // of the last block
};

// The same with what it reads: blocks that are recomputed in backward outlive the forward.
struct Kept {
  Kept(const backend::Batch& all, const layers::RopeTable& rope, package::Pooling picks, Projections given)
      : batch(all), projections(given.begin(), given.end()), in(batch, rope, picks, projections) {}

  backend::Batch batch;
  std::vector<const std::map<std::string, checkpoint::LoraWeights>*> projections;
  Inputs in;
};

class Causal : public Body {
 public:
  backend::Embedding embedding;  // [vocabulary, h]
  float embedding_scale;
  std::optional<backend::LayerNorm> embedding_norm;
  std::vector<layers::DecoderBlock> blocks;
  layers::StreamNorm final_norm;
  backend::Linear output;
  float output_softcap;
  std::int64_t ffn;
  layers::RopeTable rope, sliding_rope;  // the second empty where all layers have the first

  std::int64_t width() const override { return embedding.table.cols; }
  std::int64_t vocabulary() const override { return embedding.table.rows; }
  const backend::Linear* lm_head() const override { return output.weight.rows == 0 ? nullptr : &output; }
  float logit_softcap() const override { return output_softcap; }

  // The peak is one of two moments: the residual stream, queries, keys and values of all rows, and the norm
  // or attention's output; or the stream, attention's output, the next norm and one chunk of the MLP.
  std::size_t activation_bytes(std::int64_t rows) const override {
    const kernels::AttentionShape& a = blocks.front().attention.shape;
    const auto q = static_cast<std::int64_t>(a.query_heads * a.head_dim),
               kv = static_cast<std::int64_t>(2 * a.kv_heads * a.head_dim);
    const std::int64_t chunk = 2 * (width() + ffn);
    return static_cast<std::size_t>(
        4 * (rows * (width() + std::max(width(), q) + q + kv) + std::min(rows, layers::kChunkRows) * chunk));
  }

  at::Tensor pooled(ops::Compute& compute, const backend::Batch& batch, package::Pooling pooling,
                    Projections projections) const override {
    // Weights that change cannot be part of a graph, nor can attention that has no plan.
    const bool planned = compute.step().trainable == nullptr && !both_ways();
    backend::Accelerator* device = planned ? compute.accelerator() : nullptr;
    const bool all_rows = pooling == package::Pooling::kFirst && !both_ways();
    const package::Pooling picks = all_rows ? package::Pooling::kMean : pooling;
    at::Tensor x;
    if (compute.composed() || at::GradMode::is_enabled()) {
      x = recorded(compute, std::make_shared<const Kept>(batch, rope, picks, projections));
    } else if (device == nullptr) {
      x = served(compute, Inputs(batch, rope, picks, projections));
    } else {
      std::optional<backend::Batch> padded;
      if (backend::fits_bucket(batch)) padded = backend::pad_to_bucket(batch);
      const Inputs in(padded ? *padded : batch, rope, picks, projections);
      x = device->forward({this, in.batch, in.positions, in.last_rows, in.last_positions, in.adapters,
                           in.last.queries, blocks.front().attention.shape},
                          [&] { return served(compute, in); });
    }
    if (picks == package::Pooling::kMean) return layers::pool_rows(compute, x, batch, pooling);
    const auto pooled = static_cast<std::int64_t>(batch.pooled.size());
    return x.size(0) == pooled ? x : x.narrow(0, 0, pooled);
  }

 private:
  bool both_ways() const { return blocks.front().attention.both_ways; }

  // The last block computes only the pooled rows, unless pooling is a mean.
  layers::OutputRows output_of(const layers::DecoderBlock& block, const Inputs& in) const {
    return &block == &blocks.back() ? in.last : layers::OutputRows{};
  }

  const layers::RopeTable& rope_of(const layers::DecoderBlock& block) const {
    return block.attention.shape.window > 0 && !sliding_rope.cosine.empty() ? sliding_rope : rope;
  }

  // From embeddings to the states after the final norm, as functions of what is trained, or composed.
  at::Tensor recorded(ops::Compute& compute, const std::shared_ptr<const Kept>& kept) const {
    at::Tensor x = ops::embed(compute, kept->batch.ids, embedding, kept->in.adapters);
    if (embedding_scale != 1) x = x * static_cast<double>(embedding_scale);
    if (embedding_norm) x = ops::layer_norm(compute, x, *embedding_norm);
    std::vector<at::Tensor> stream = {x};
    const layers::DecoderBlock* below = nullptr;
    for (const layers::DecoderBlock& b : blocks) {
      stream = ops::recomputed(
          compute, stream,
          [this, &compute, &b, below, kept](const std::vector<at::Tensor>& in, backend::Values values) {
            const layers::PendingResidual out = layers::decoder_block(
                {compute, kept->batch, kept->in.adapters, rope_of(b), kept->in.positions}, b,
                {in[0], below == nullptr ? at::Tensor() : in[1], below}, output_of(b, kept->in), values);
            return std::vector<at::Tensor>{out.x, out.z};
          });
      below = &b;
    }
    return layers::final_states(compute, {stream[0], stream[1], below}, final_norm);
  }

  // The same without recording.
  at::Tensor served(ops::Compute& compute, const Inputs& in) const {
    layers::Stream stream{ops::embed(compute, in.batch.ids, embedding, in.adapters), {}};
    if (embedding_scale != 1) ops::scale_in_place(compute, stream.x, embedding_scale);
    if (embedding_norm) stream.x = ops::layer_norm(compute, stream.x, *embedding_norm);
    stream.normed = layers::first_normed(compute, stream.x, blocks.front());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const bool last = i + 1 == blocks.size();
      stream = layers::advance({compute, in.batch, in.adapters, rope_of(blocks[i]), in.positions}, blocks[i],
                               std::move(stream), last ? final_norm : blocks[i + 1].before_attention,
                               last ? backend::Reader::kHead : backend::Reader::kLinears,
                               output_of(blocks[i], in));
    }
    return stream.normed;
  }
};

void check_length(checkpoint::Fields& config, const layers::RopeConfig& rope, std::int64_t positions) {
  if (rope.longest > 0 && positions > rope.longest)
    config.fail("max_position_embeddings is " + std::to_string(rope.longest) +
                ", below input.max_tokens of package.json, " + std::to_string(positions) +
                ", but rope_type 'dynamic' beyond it depends on a sequence's length, which is not supported");
}

const std::string kWeight = ".weight";

// Requests the tensors of a body.
class Builder {
 public:
  Builder(const CausalSpec& spec, checkpoint::WeightSource& weights)
      : s_(spec), n_(spec.names), weights_(weights) {}

  std::unique_ptr<Causal> body(const BodyOptions& options) {
    auto body = std::make_unique<Causal>();
    body->embedding = {weights_.embedding(n_.embedding + kWeight, s_.vocabulary, s_.hidden), n_.embedding};
    body->embedding_scale = s_.embedding_scale;
    if (n_.embedding_norm != nullptr) body->embedding_norm = layer_norm(n_.embedding_norm);
    for (std::int64_t i = 0; i < options.layers; ++i) body->blocks.push_back(block(i));
    body->final_norm = stream_norm(n_.final_norm);
    if (options.lm_head == BodyOptions::LmHead::kBuild)
      body->output = {s_.tied ? weights_.tied_output(n_.embedding + kWeight, s_.vocabulary, s_.hidden)
                              : weights_.output(n_.output + kWeight, s_.vocabulary, s_.hidden),
                      {},
                      n_.output};
    body->output_softcap = s_.logit_softcap;
    body->ffn = s_.ffn;
    body->rope = layers::make_rope_table(s_.rope, s_.head_dim, options.positions);
    if (s_.sliding_rope)
      body->sliding_rope = layers::make_rope_table(*s_.sliding_rope, s_.head_dim, options.positions);
    return body;
  }

 private:
  backend::Linear projection(const std::string& module, std::int64_t out, std::int64_t in, bool bias) {
    backend::Linear l{weights_.linear(module + kWeight, out, in), {}, module};
    if (bias) l.bias = weights_.vector(module + ".bias", out);
    return l;
  }

  // Linears whose rows follow one another in one module.
  std::vector<backend::Linear> parts(const std::string& module, const std::vector<std::int64_t>& outs) {
    const std::int64_t all = std::accumulate(outs.begin(), outs.end(), std::int64_t{0});
    const quant::Matrix whole = weights_.linear(module + kWeight, all, s_.hidden);
    std::vector<backend::Linear> linears;
    std::int64_t first = 0;
    for (const std::int64_t out : outs) {
      linears.push_back({quant::row_range(whole, first, out), {}, module, first});
      first += out;
    }
    return linears;
  }

  backend::Norm norm_of(const std::string& name, std::int64_t width) {
    return {weights_.vector(name + kWeight, width), s_.eps, s_.norm_offset};
  }
  backend::Norm norm(const std::string& name) { return norm_of(name, s_.hidden); }

  layers::StreamNorm stream_norm(const std::string& name) {
    if (s_.layer_norms == CausalSpec::LayerNorms::kNone) return norm(name);
    return layer_norm(name);
  }

  backend::LayerNorm layer_norm(const std::string& name) {
    backend::LayerNorm whole{weights_.vector(name + kWeight, s_.hidden), {}, s_.eps};
    if (s_.layer_norms == CausalSpec::LayerNorms::kBiased)
      whole.bias = weights_.vector(name + ".bias", s_.hidden);
    else
      whole.bias.resize(static_cast<std::size_t>(s_.hidden));
    return whole;
  }

  layers::SelfAttention attention(const std::string& at, std::size_t layer) {
    layers::SelfAttention a;
    const std::int64_t q = s_.heads * s_.head_dim, kv = s_.kv_heads * s_.head_dim;
    if (s_.fused == CausalSpec::Fused::kByHeads) {
      a.by_heads = projection(at + n_.fused, q + 2 * kv, s_.hidden, s_.query_key_value_bias);
    } else if (s_.fused == CausalSpec::Fused::kInTurn) {
      auto linears = parts(at + n_.fused, {q, kv, kv});
      a.query = std::move(linears[0]), a.key = std::move(linears[1]), a.value = std::move(linears[2]);
    } else {
      a.query = projection(at + "q_proj", q, s_.hidden, s_.query_key_value_bias);
      a.key = projection(at + "k_proj", kv, s_.hidden, s_.query_key_value_bias);
      a.value = projection(at + "v_proj", kv, s_.hidden, s_.query_key_value_bias);
    }
    a.out = projection(at + n_.out, s_.hidden, q, s_.output_bias);
    if (s_.query_key_norms != CausalSpec::HeadNorms::kNone) {
      const bool each = s_.query_key_norms == CausalSpec::HeadNorms::kEach;
      a.query_norm = norm_of(at + "q_norm", each ? s_.head_dim : q);
      a.key_norm = norm_of(at + "k_norm", each ? s_.head_dim : kv);
    }
    a.shape = {.query_heads = static_cast<std::size_t>(s_.heads),
               .kv_heads = static_cast<std::size_t>(s_.kv_heads),
               .head_dim = static_cast<std::size_t>(s_.head_dim),
               .scale = s_.attention_scale,
               .softcap = s_.attention_softcap,
               .window = static_cast<std::int32_t>(s_.windows[layer])};
    a.rotated = s_.rotated.empty() || s_.rotated[layer];
    a.both_ways = s_.both_ways;
    return a;
  }

  layers::GatedMlp mlp(const std::string& at) {
    layers::GatedMlp m;
    if (s_.fused == CausalSpec::Fused::kInTurn) {
      auto linears = parts(at + n_.gate_up, {s_.ffn, s_.ffn});
      m.gate = std::move(linears[0]), m.up = std::move(linears[1]);
    } else {
      m.gate = projection(at + n_.gate, s_.ffn, s_.hidden, s_.mlp_bias);
      m.up = projection(at + n_.up, s_.ffn, s_.hidden, s_.mlp_bias);
    }
    m.down = projection(at + n_.down, s_.hidden, s_.ffn, s_.mlp_bias);
    m.glu = s_.glu;
    return m;
  }

  layers::PlainMlp plain_mlp(const std::string& at) {
    layers::PlainMlp m{projection(at + n_.up, s_.ffn, s_.hidden, s_.mlp_bias), {}, *s_.plain_mlp};
    m.down = projection(at + n_.down, s_.hidden, s_.ffn, s_.mlp_bias);
    return m;
  }

  layers::DecoderBlock block(std::int64_t layer) {
    const std::string at = "layers." + std::to_string(layer) + ".";
    layers::DecoderBlock b;
    using Norms = CausalSpec::Norms;
    if (s_.norms != Norms::kAfter && !(s_.first_bare && layer == 0))
      b.before_attention = stream_norm(at + n_.before_attention);
    b.attention = attention(at + n_.attention, static_cast<std::size_t>(layer));
    if (s_.norms == Norms::kBefore)
      b.before_mlp = stream_norm(at + n_.behind_attention);
    else
      b.after_attention = norm(at + n_.behind_attention);
    if (s_.norms == Norms::kAround) b.before_mlp = norm(at + "pre_feedforward_layernorm");
    if (s_.norms != Norms::kBefore) b.after_mlp = norm(at + "post_feedforward_layernorm");
    if (s_.plain_mlp)
      b.mlp = plain_mlp(at + n_.mlp);
    else
      b.mlp = mlp(at + n_.mlp);
    b.parallel = s_.parallel;
    return b;
  }

  const CausalSpec& s_;
  const CausalNames& n_;
  checkpoint::WeightSource& weights_;
};

}  // namespace

std::unique_ptr<Body> build_causal(checkpoint::Fields& config, const CausalSpec& s,
                                   checkpoint::WeightSource& weights, const BodyOptions& options) {
  check_length(config, s.rope, options.positions);
  if (s.sliding_rope) check_length(config, *s.sliding_rope, options.positions);
  if (!config.status()) return nullptr;
  return Builder(s, weights).body(options);
}

}  // namespace preferd::families
