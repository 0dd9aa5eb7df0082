// DeBERTa v2 and v3 (arXiv 2006.03654, 2111.09543): an encoder whose attention scores add content with
// content, content with relative position and relative position with content, with positions in logarithmic
// buckets; norms follow attention and MLP; v2-xlarge has a convolution beside the first block. transformers:
// models/deberta_v2.
//
//   x = norm(project(word[id] + position[p] + type[0]))
//   each block    y = norm(x + attention(x))
//                 x = norm(y + mlp(y))
//   with a convolution, after the first block     norm(x + activate(conv(the block's input)))
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "model/families/deberta_v2_config.h"
#include "model/families/encoder_tensors.h"
#include "model/families/families.h"
#include "model/layers/buckets.h"
#include "model/layers/chunks.h"
#include "model/layers/encoder.h"
#include "model/layers/pool.h"
#include "model/ops/encoders.h"
#include "model/ops/recompute.h"

namespace preferd::families {
namespace {

struct Beside {
  backend::Convolution convolution;
  kernels::Activation activation;
  backend::LayerNorm norm;
};

// What the blocks of one forward share. Blocks that are recomputed in backward outlive the forward, and so
// must this.
struct Plan {
  backend::Batch batch;
  std::vector<const std::map<std::string, checkpoint::LoraWeights>*> projections;
  layers::Reached reached;
  layers::PooledRows pooled;  // for the last block, unless all are wanted
  backend::Adapters adapters() const { return {projections, batch.runs}; }
};

class DebertaV2 : public Body {
 public:
  DebertaV2Config config;
  std::optional<std::int32_t> second_type_after;
  backend::Embedding words, places, types;  // [.., e]; the last two may be empty
  backend::Linear projection;               // [h, e] or empty
  backend::LayerNorm embedding_norm;
  backend::Embedding positions;  // [2 span, h] or empty: relative positions
  std::optional<backend::LayerNorm> position_norm;
  layers::Buckets buckets;
  std::vector<layers::EncoderBlock> blocks;
  std::optional<Beside> beside;

  std::int64_t width() const override { return config.hidden; }
  std::int64_t vocabulary() const override { return words.table.rows; }
  std::int64_t most_positions() const override { return config.places; }

  at::Tensor pooled(
      ops::Compute& compute, const backend::Batch& batch, package::Pooling pooling,
      std::span<const std::map<std::string, checkpoint::LoraWeights>* const> projections) const override {
    const bool rows_pooled = pooling != package::Pooling::kMean;
    const auto plan = std::make_shared<const Plan>(Plan{
        batch,
        {projections.begin(), projections.end()},
        config.relative ? layers::reached(buckets, batch) : layers::Reached{},
        rows_pooled ? layers::PooledRows{layers::pooled_rows(batch, pooling), layers::runs_of_pooled(batch)}
                    : layers::PooledRows{}});
    at::Tensor x = embedded(compute, *plan);
    // When recording, each block makes the positions anew, because a graph that they shared cannot be walked
    // twice.
    const at::Tensor once = at::GradMode::is_enabled() ? at::Tensor() : relative(compute, *plan);
    for (const layers::EncoderBlock& b : blocks) {
      const layers::PooledRows* output = rows_pooled && prunable(b) ? &plan->pooled : nullptr;
      x = ops::recomputed(compute, x, [this, &compute, &b, plan, once, output](const at::Tensor& input) {
        return block(compute, *plan, b, once.defined() ? once : relative(compute, *plan), input, output);
      });
    }
    x = ops::widen(compute, x);
    return rows_pooled && prunable(blocks.back()) ? x : layers::pool_rows(compute, x, batch, pooling);
  }

  std::size_t activation_bytes(std::int64_t rows) const override {
    const std::int64_t h = config.hidden, table = config.relative ? 2 * buckets.span : 0;
    return static_cast<std::size_t>(
        4 * (rows * 5 * h + table * 3 * h + std::min(rows, layers::kChunkRows) * (2 * h + config.ffn)));
  }

 private:
  at::Tensor embedded(ops::Compute& compute, const Plan& plan) const {
    at::Tensor x = ops::embed(compute, plan.batch.ids, words, plan.adapters());
    if (places.table.rows > 0)
      x = ops::add(compute, x, ops::embed(compute, plan.batch.positions, places, {}));
    if (types.table.rows > 0) {
      const auto kinds = layers::token_types(plan.batch, second_type_after);
      x = ops::add(compute, x, ops::embed(compute, kinds, types, {}));
    }
    if (projection.weight.rows > 0) {
      const backend::Linear* projections[] = {&projection};
      x = ops::linears(compute, x, projections, plan.adapters())[0];
    }
    return ops::layer_norm(compute, x, embedding_norm);
  }

  at::Tensor relative(ops::Compute& compute, const Plan& plan) const {
    if (!config.relative) return {};
    std::vector<std::int32_t> rows(static_cast<std::size_t>(plan.reached.count));
    std::iota(rows.begin(), rows.end(), plan.reached.first);
    const at::Tensor table = ops::embed(compute, rows, positions, {});
    return position_norm ? ops::layer_norm(compute, table, *position_norm) : table;
  }

  // The last block computes only the pooled rows, unless a convolution after it reads their neighbours.
  bool prunable(const layers::EncoderBlock& b) const { return &b == &blocks.back() && !convolved(b); }
  bool convolved(const layers::EncoderBlock& b) const { return beside && &b == &blocks.front(); }

  at::Tensor block(ops::Compute& compute, const Plan& plan, const layers::EncoderBlock& b,
                   const at::Tensor& relative, const at::Tensor& x, const layers::PooledRows* output) const {
    const layers::EncoderForward f{compute, plan.batch, plan.adapters(), plan.reached.distances, relative};
    if (!convolved(b)) return layers::encoder_block(f, b, x, output, layers::Input::kInPlace);
    const at::Tensor z = layers::encoder_block(f, b, x, output, layers::Input::kKept);
    const at::Tensor near = ops::activate(compute, beside->activation,
                                          ops::convolve(compute, plan.batch, beside->convolution, x));
    return ops::layer_norm(compute, ops::add(compute, z, near), beside->norm);
  }
};

// Requests the tensors of a body.
class Builder : EncoderTensors {
 public:
  Builder(const DebertaV2Config& config, checkpoint::WeightSource& weights)
      : EncoderTensors(weights, config.hidden, config.eps), c_(config) {}

  std::unique_ptr<Body> body(const BodyOptions& options) {
    auto body = std::make_unique<DebertaV2>();
    body->config = c_;
    body->second_type_after = options.second_type_after;
    const std::string at = "embeddings.", word = at + "word_embeddings";
    body->words = {weights_.embedding(word + ".weight", c_.vocabulary, c_.embedding), word};
    if (c_.places > 0) body->places = table(at + "position_embeddings", c_.places, c_.embedding);
    if (c_.types > 0) body->types = table(at + "token_type_embeddings", c_.types, c_.embedding);
    if (c_.embedding != c_.hidden)
      body->projection = {
          weights_.linear(at + "embed_proj.weight", c_.hidden, c_.embedding), {}, at + "embed_proj"};
    body->embedding_norm = norm(at + "LayerNorm");
    if (c_.relative) {
      body->buckets = layers::make_buckets(c_.buckets, c_.farthest, options.positions);
      body->positions = table("encoder.rel_embeddings", 2 * body->buckets.span, c_.hidden);
    }
    if (c_.norm_positions) body->position_norm = norm("encoder.LayerNorm");
    for (std::int64_t i = 0; i < options.layers; ++i)
      body->blocks.push_back(block("encoder.layer." + std::to_string(i) + "."));
    if (c_.kernel > 0)
      body->beside = Beside{
          {weights_.plain("encoder.conv.conv.weight", {c_.hidden, c_.hidden / c_.kernel_groups, c_.kernel}),
           weights_.vector("encoder.conv.conv.bias", c_.hidden), c_.kernel, c_.kernel_groups},
          c_.kernel_activation,
          norm("encoder.conv.LayerNorm")};
    return body;
  }

 private:
  layers::EncoderBlock block(const std::string& at) {
    using Positions = layers::DisentangledAttention::Positions;
    const std::int64_t h = c_.hidden;
    const std::string self = at + "attention.self.";
    layers::EncoderBlock b;
    layers::DisentangledAttention& a = b.attention;
    a.query = linear(self + "query_proj", h, h);
    a.key = linear(self + "key_proj", h, h);
    a.value = linear(self + "value_proj", h, h);
    const Positions made = c_.share_key ? Positions::kShared : Positions::kOwn;
    if (c_.relative && c_.content_to_position) a.position_key = made;
    if (c_.relative && c_.position_to_content) a.position_query = made;
    if (a.position_key == Positions::kOwn) a.own_position_key = linear(self + "pos_key_proj", h, h);
    if (a.position_query == Positions::kOwn) a.own_position_query = linear(self + "pos_query_proj", h, h);
    a.out = linear(at + "attention.output.dense", h, h);
    const std::int64_t dim = h / c_.heads;
    const int kinds = 1 + (c_.content_to_position ? 1 : 0) + (c_.position_to_content ? 1 : 0);
    a.shape = {static_cast<std::size_t>(c_.heads), static_cast<std::size_t>(dim),
               1.0f / std::sqrt(static_cast<float>(dim * kinds))};
    b.after_attention = norm(at + "attention.output.LayerNorm");
    b.mlp = {linear(at + "intermediate.dense", c_.ffn, h), linear(at + "output.dense", h, c_.ffn),
             c_.activation};
    b.after_mlp = norm(at + "output.LayerNorm");
    return b;
  }

  const DebertaV2Config& c_;
};

}  // namespace

std::unique_ptr<Body> build_deberta_v2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                       const BodyOptions& options) {
  const DebertaV2Config read = read_deberta_v2(config, options);
  if (!config.status()) return nullptr;
  return Builder(read, weights).body(options);
}

}  // namespace preferd::families
