// An embedding, then bidirectional LSTMs of individual sizes, each like a torch.nn.LSTM of one layer:
//   {"model_type": "bilstm", "vocab_size": V, "embedding_size": E, "hidden_sizes": [64, 32]}
//   embedding.weight [V, E]; lstm.<i>.{weight_ih,weight_hh,bias_ih,bias_hh}_l0[_reverse]
// Its weight matrices are plain tensors: never quantized, never adapted.
//
// With pooling `last` the state is each direction's state after its last step: the first direction's at the
// last token beside the second's at the first token. `first` is each direction's state after its first step.
#include <algorithm>
#include <memory>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "model/families/families.h"
#include "model/layers/pool.h"
#include "model/ops/encoders.h"
#include "model/ops/recompute.h"
#include "model/ops/rows.h"

namespace preferd::families {
namespace {

constexpr std::int64_t kMax = std::int64_t{1} << 24;

class BiLstm : public Body {
 public:
  backend::Embedding words;  // [vocabulary, e]
  std::vector<backend::BidirectionalLstm> layers;

  std::int64_t hidden() const { return layers.back().recurrent[0].weight.cols; }
  std::int64_t width() const override { return 2 * hidden(); }
  std::int64_t vocabulary() const override { return words.table.rows; }

  // A layer's input, the gates of both directions, and states.
  std::size_t activation_bytes(std::int64_t rows) const override {
    std::int64_t most = 0;
    for (const backend::BidirectionalLstm& l : layers) {
      const std::int64_t size = l.recurrent[0].weight.cols;
      most = std::max(most, l.inputs[0].weight.cols + 8 * size + 2 * size);
    }
    return static_cast<std::size_t>(4 * rows * most);
  }

  at::Tensor pooled(
      ops::Compute& compute, const backend::Batch& batch, package::Pooling pooling,
      std::span<const std::map<std::string, checkpoint::LoraWeights>* const> projections) const override {
    at::Tensor x = ops::embed(compute, batch.ids, words, {projections, batch.runs});
    const auto kept = std::make_shared<const backend::Batch>(batch);
    for (const backend::BidirectionalLstm& layer : layers)
      x = ops::recomputed(compute, x, [&compute, &layer, kept](const at::Tensor& input) {
        return ops::bidirectional_lstm(compute, *kept, layer, input);
      });
    x = ops::widen(compute, x);
    if (pooling == package::Pooling::kMean || pooling == package::Pooling::kMarkers)
      return layers::pool_rows(compute, x, batch, pooling);
    const bool last = pooling == package::Pooling::kLast;
    const at::Tensor first_way = layers::pool_rows(compute, x, batch,
                                                   last ? package::Pooling::kLast : package::Pooling::kFirst),
                     second_way = layers::pool_rows(
                         compute, x, batch, last ? package::Pooling::kFirst : package::Pooling::kLast);
    return at::cat({first_way.narrow(1, 0, hidden()), second_way.narrow(1, hidden(), hidden())}, 1);
  }
};

std::vector<std::int64_t> read_sizes(checkpoint::Fields& config) {
  std::vector<std::int64_t> sizes;
  const Json& json = config.json();
  if (!config.has("hidden_sizes") || !json["hidden_sizes"].is_array()) {
    config.fail("hidden_sizes is " +
                (config.has("hidden_sizes") ? describe(json["hidden_sizes"]) : "missing") +
                ", expected an array of sizes");
    return sizes;
  }
  for (const Json& size : json["hidden_sizes"]) {
    const bool good =
        size.is_number_integer() && size.get<std::int64_t>() >= 1 && size.get<std::int64_t>() <= kMax;
    if (!good) config.fail("hidden_sizes holds " + describe(size) + ", expected whole numbers above 0");
    sizes.push_back(good ? size.get<std::int64_t>() : 1);
  }
  return sizes;
}

}  // namespace

std::unique_ptr<Body> build_bilstm(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                   const BodyOptions& options) {
  const std::int64_t vocabulary = config.integer("vocab_size", 1, kMax);
  const std::int64_t embedding = config.integer("embedding_size", 1, kMax);
  const std::vector<std::int64_t> sizes = read_sizes(config);
  if (!config.status()) return nullptr;
  auto body = std::make_unique<BiLstm>();
  body->words = {weights.embedding("embedding.weight", vocabulary, embedding), "embedding"};
  std::int64_t width = embedding;
  for (std::int64_t i = 0; i < options.layers; ++i) {
    const std::int64_t size = sizes[static_cast<std::size_t>(i)];
    backend::BidirectionalLstm layer;
    for (std::size_t way = 0; way < 2; ++way) {
      const auto name = [&](std::string part) {
        part.insert(0, "lstm." + std::to_string(i) + ".");
        return part.append(way == 0 ? "_l0" : "_l0_reverse");
      };
      layer.inputs[way] = {weights.plain(name("weight_ih"), {4 * size, width}),
                           weights.vector(name("bias_ih"), 4 * size), ""};
      layer.recurrent[way] = {weights.plain(name("weight_hh"), {4 * size, size}),
                              weights.vector(name("bias_hh"), 4 * size), ""};
    }
    body->layers.push_back(std::move(layer));
    width = 2 * size;
  }
  return body;
}

}  // namespace preferd::families
