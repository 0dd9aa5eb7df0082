// BERT (arXiv 1810.04805), RoBERTa (1907.11692) and XLM-RoBERTa (1911.02116): encoders with absolute positions
// and full attention, whose norms follow attention and MLP. transformers: models/bert, models/roberta.
//
//   x = norm(word[id] + type[t] + position[p])        RoBERTa counts p from pad_token_id + 1 on
//   each block    y = norm(x + attention(x))
//                 x = norm(y + mlp(y))
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include <ATen/core/grad_mode.h>

#include "model/families/activation.h"
#include "model/families/encoder_config.h"
#include "model/families/encoder_tensors.h"
#include "model/families/families.h"
#include "model/layers/chunks.h"
#include "model/layers/encoder.h"
#include "model/layers/pool.h"
#include "model/ops/encoders.h"
#include "model/ops/recompute.h"

namespace preferd::families {
namespace {

struct BertConfig {
  std::int64_t vocabulary = 0, hidden = 0, heads = 1, ffn = 0, places = 0, types = 0;
  std::optional<std::int32_t> pad;  // positions are counted from behind it, and it has its own row
  float eps = 1e-12f;
  kernels::Activation activation = kernels::Activation::kGelu;

  std::int64_t usable() const { return places - (pad ? *pad + 1 : 0); }
};

// What the blocks of one forward share. Blocks that are recomputed in backward outlive the forward, and so
// must this.
struct Plan {
  backend::Batch batch;
  std::vector<const std::map<std::string, checkpoint::LoraWeights>*> projections;
  backend::Distances distances;  // none
  layers::PooledRows pooled;     // for the last block, unless all are wanted
  backend::Adapters adapters() const { return {projections, batch.runs}; }
};

class Bert : public Body {
 public:
  BertConfig config;
  std::optional<std::int32_t> second_type_after;
  backend::Embedding words, places, types;
  backend::LayerNorm embedding_norm;
  std::vector<layers::EncoderBlock> blocks;

  std::int64_t width() const override { return config.hidden; }
  std::int64_t vocabulary() const override { return words.table.rows; }
  std::int64_t most_positions() const override { return config.usable(); }

  at::Tensor pooled(
      ops::Compute& compute, const backend::Batch& batch, package::Pooling pooling,
      std::span<const std::map<std::string, checkpoint::LoraWeights>* const> projections) const override {
    const bool rows_pooled = pooling != package::Pooling::kMean;
    const auto plan = std::make_shared<const Plan>(Plan{
        batch,
        {projections.begin(), projections.end()},
        {},
        rows_pooled ? layers::PooledRows{layers::pooled_rows(batch, pooling), layers::runs_of_pooled(batch)}
                    : layers::PooledRows{}});
    at::Tensor x = embedded(compute, *plan);
    for (const layers::EncoderBlock& b : blocks) {
      const layers::PooledRows* output = rows_pooled && &b == &blocks.back() ? &plan->pooled : nullptr;
      x = ops::recomputed(compute, x, [&compute, &b, plan, output](const at::Tensor& input) {
        const layers::EncoderForward f{compute, plan->batch, plan->adapters(), plan->distances, {}};
        return layers::encoder_block(f, b, input, output, layers::Input::kInPlace);
      });
    }
    x = ops::widen(compute, x);
    return rows_pooled ? x : layers::pool_rows(compute, x, batch, pooling);
  }

  std::size_t activation_bytes(std::int64_t rows) const override {
    const std::int64_t h = config.hidden;
    return static_cast<std::size_t>(
        4 * (rows * 5 * h + std::min(rows, layers::kChunkRows) * (2 * h + config.ffn)));
  }

 private:
  // The rows of the table of positions. transformers does not count pad tokens, wherever they stand.
  std::vector<std::int32_t> place_rows(const backend::Batch& batch) const {
    if (!config.pad) return batch.positions;
    std::vector<std::int32_t> out;
    for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
      std::int32_t last = *config.pad;
      for (std::int32_t i = batch.offsets[s]; i < batch.offsets[s + 1]; ++i)
        out.push_back(batch.ids[static_cast<std::size_t>(i)] == *config.pad ? *config.pad : ++last);
    }
    return out;
  }

  at::Tensor embedded(ops::Compute& compute, const Plan& plan) const {
    at::Tensor x = ops::embed(compute, plan.batch.ids, words, plan.adapters());
    if (types.table.rows > 0) {
      const auto kinds = layers::token_types(plan.batch, second_type_after);
      x = ops::add(compute, x, ops::embed(compute, kinds, types, {}));
    }
    x = ops::add(compute, x, ops::embed(compute, place_rows(plan.batch), places, {}));
    return ops::layer_norm(compute, x, embedding_norm);
  }
};

class Builder : EncoderTensors {
 public:
  Builder(const BertConfig& config, checkpoint::WeightSource& weights)
      : EncoderTensors(weights, config.hidden, config.eps), c_(config) {}

  std::unique_ptr<Body> body(const BodyOptions& options) {
    auto body = std::make_unique<Bert>();
    body->config = c_;
    body->second_type_after = options.second_type_after;
    const std::string at = "embeddings.", word = at + "word_embeddings";
    body->words = {weights_.embedding(word + ".weight", c_.vocabulary, c_.hidden), word};
    body->places = table(at + "position_embeddings", c_.places, c_.hidden);
    if (c_.types > 0) body->types = table(at + "token_type_embeddings", c_.types, c_.hidden);
    body->embedding_norm = norm(at + "LayerNorm");
    for (std::int64_t i = 0; i < options.layers; ++i)
      body->blocks.push_back(block("encoder.layer." + std::to_string(i) + "."));
    return body;
  }

 private:
  layers::EncoderBlock block(const std::string& at) {
    const std::int64_t h = c_.hidden, dim = h / c_.heads;
    const std::string self = at + "attention.self.";
    layers::EncoderBlock b;
    b.attention.query = linear(self + "query", h, h);
    b.attention.key = linear(self + "key", h, h);
    b.attention.value = linear(self + "value", h, h);
    b.attention.out = linear(at + "attention.output.dense", h, h);
    b.attention.shape = {static_cast<std::size_t>(c_.heads), static_cast<std::size_t>(dim),
                         1.0f / std::sqrt(static_cast<float>(dim))};
    b.after_attention = norm(at + "attention.output.LayerNorm");
    b.mlp = {linear(at + "intermediate.dense", c_.ffn, h), linear(at + "output.dense", h, c_.ffn),
             c_.activation};
    b.after_mlp = norm(at + "output.LayerNorm");
    return b;
  }

  const BertConfig& c_;
};

enum class Counting { kFromZero, kBehindPad };

BertConfig read_config(checkpoint::Fields& config, const BodyOptions& options, Counting counting) {
  const bool behind_pad = counting == Counting::kBehindPad;
  BertConfig c;
  c.vocabulary = config.integer("vocab_size", 1, kMostInConfig);
  c.hidden = config.integer_or("hidden_size", 768, 1, kMostInConfig);
  c.heads = config.integer_or("num_attention_heads", 12, 1, 4096);
  c.ffn = config.integer_or("intermediate_size", 3072, 1, kMostInConfig);
  c.places = config.integer_or("max_position_embeddings", 512, 1, kMostInConfig);
  c.types = config.integer_or("type_vocab_size", 2, 1, kMostInConfig);
  c.eps = static_cast<float>(config.positive_or("layer_norm_eps", 1e-12));
  c.activation = read_activation(config, "hidden_act", "gelu");
  if (behind_pad) c.pad = static_cast<std::int32_t>(config.integer_or("pad_token_id", 1, 0, kMostInConfig));
  check_places(config, c.usable(), options);
  check_types(config, c.types, options);
  if (const std::string kind = config.text_or("position_embedding_type", "absolute"); kind != "absolute")
    config.fail("position_embedding_type is '" + kind + "', expected absolute");
  for (const char* key : {"is_decoder", "add_cross_attention"})
    if (config.boolean_or(key, false)) config.fail(std::string(key) + " is true, expected an encoder");
  if (c.hidden % c.heads != 0)
    config.fail("num_attention_heads is " + std::to_string(c.heads) +
                ", which does not divide hidden_size, " + std::to_string(c.hidden));
  return c;
}

std::unique_ptr<Body> build(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                            const BodyOptions& options, Counting counting) {
  const BertConfig read = read_config(config, options, counting);
  if (!config.status()) return nullptr;
  return Builder(read, weights).body(options);
}

}  // namespace

std::unique_ptr<Body> build_bert(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                 const BodyOptions& options) {
  return build(config, weights, options, Counting::kFromZero);
}

std::unique_ptr<Body> build_roberta(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                    const BodyOptions& options) {
  return build(config, weights, options, Counting::kBehindPad);
}

}  // namespace preferd::families
