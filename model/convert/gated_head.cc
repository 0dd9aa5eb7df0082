#include "model/convert/gated_head.h"

#include <cmath>

#include "model/checkpoint/fields.h"
#include "model/checkpoint/names.h"
#include "model/scorer/model_shape.h"
#include "model/text/compose.h"
#include "model/text/tokenizer.h"

namespace preferd::convert {
namespace {

using checkpoint::StoredTensor;

constexpr const char *kRegression = "regression_layer.weight", *kTransform = "reward_transform_matrix",
                     *kScale = "gating.logit_scale", *kLayers = "gating.layers.";

// What ends the prompt, where the published classes read the gate: at its first token.
constexpr std::pair<const char*, const char*> kHeaders[] = {
    {"llama", "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"gemma2", "<end_of_turn>\n<start_of_turn>model\n"}};

Result<std::vector<std::int32_t>> header_of(const Files& base, const std::string& family) {
  const auto* const known =
      std::ranges::find(kHeaders, family, [](const auto& h) { return std::string(h.first); });
  if (known == std::end(kHeaders))
    return invalid(base.name() + ": the head has a gate, and where it reads is not known for " + family);
  const auto tokenizer = text::load_tokenizer(base);
  if (!tokenizer) return tokenizer.error();
  const text::PartText parts[] = {{known->second, text::kTemplateOwner, text::Guard::kFree, true}};
  std::vector<std::int32_t> ids;
  for (const text::OwnedToken& token : text::compose(parts, **tokenizer, text::Joining::kJoined).tokens)
    ids.push_back(token.id);
  return ids;
}

// [objectives, hidden]: the rows of the regression, of each objective the mean of its quantiles, mixed as the matrix
// says, times the scale of the weights.
StoredTensor values_of(const StoredTensor& regression, std::size_t quantiles, const StoredTensor* transform,
                       const StoredTensor* scale) {
  const auto n = static_cast<std::size_t>(regression.shape[0]) / quantiles,
             width = static_cast<std::size_t>(regression.shape[1]);
  const std::vector<float> rows = floats_of(regression);
  const std::vector<float> mix = transform == nullptr ? std::vector<float>() : floats_of(*transform);
  const double factor = scale == nullptr ? 1 : static_cast<double>(floats_of(*scale)[0]);
  std::vector<float> out(n * width);
  for (std::size_t to = 0; to < n; ++to)
    for (std::size_t c = 0; c < width; ++c) {
      double sum = 0;
      for (std::size_t from = 0; from < n; ++from) {
        const double share = mix.empty() ? (from == to ? 1 : 0) : static_cast<double>(mix[from * n + to]);
        double mean = 0;
        for (std::size_t q = 0; q < quantiles; ++q)
          mean += static_cast<double>(rows[(from * quantiles + q) * width + c]);
        if (share != 0) sum += share * mean / static_cast<double>(quantiles);
      }
      out[to * width + c] = static_cast<float>(sum * factor);
    }
  return stored(std::move(out), {static_cast<std::int64_t>(n), regression.shape[1]});
}

// A batch norm in use is y = factor * x + shift.
struct BatchNorm {
  std::vector<double> factor, shift;
};

std::optional<BatchNorm> take_batch_norm(HeadParts& parts, const std::string& at, std::int64_t width) {
  constexpr double kEps = 1e-5;
  std::vector<std::vector<float>> values;
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
    const StoredTensor* const tensor = parts.take(at + part, {width});
    if (tensor == nullptr) return std::nullopt;
    values.push_back(floats_of(*tensor));
  }
  parts.skip(at + ".num_batches_tracked");
  BatchNorm norm;
  for (std::size_t i = 0; i < values[0].size(); ++i) {
    norm.factor.push_back(static_cast<double>(values[0][i]) /
                          std::sqrt(static_cast<double>(values[3][i]) + kEps));
    norm.shift.push_back(static_cast<double>(values[1][i]) -
                         static_cast<double>(values[2][i]) * norm.factor.back());
  }
  return norm;
}

// Linears, ReLUs and batch norms in turn, of which modules 3 i, 3 i + 1 and 3 i + 2 are one each, and a last linear.
OrderedJson take_normed(HeadParts& parts, std::int64_t& width, PublishedHead& head) {
  OrderedJson layers = OrderedJson::array();
  std::optional<BatchNorm> norm;
  for (int i = 0; parts.has(kLayers + std::to_string(i) + ".weight"); i += 3) {
    const std::string from = kLayers + std::to_string(i);
    const StoredTensor* const taken = parts.take(from + ".weight", {-1, width});
    if (taken == nullptr) return layers;
    StoredTensor weight = *taken;
    width = weight.shape[0];
    const StoredTensor* const own = parts.has(from + ".bias") ? parts.take(from + ".bias", {width}) : nullptr;
    StoredTensor bias =
        own != nullptr ? *own : stored(std::vector<float>(static_cast<std::size_t>(width)), {width});
    if (norm) read_through(norm->factor, norm->shift, weight, bias);
    norm.reset();
    const std::string after = kLayers + std::to_string(i + 2);
    const std::string to = "gate.layers." + std::to_string(layers.size());
    head.tensors[to + ".weight"] = weight;
    head.tensors[to + ".bias"] = bias;
    layers.push_back({{"type", "linear"}, {"in", weight.shape[1]}, {"out", width}});
    if (!parts.has(after + ".running_mean")) continue;
    norm = take_batch_norm(parts, after, width);
    layers.push_back({{"type", "relu"}});
  }
  if (norm) parts.fail("the gated head ends in a batch norm, expected a linear");
  return layers;
}

void take_gate(HeadParts& parts, std::int64_t hidden, std::int64_t objectives, PublishedHead& head) {
  std::int64_t width = hidden;
  OrderedJson layers = parts.has(std::string(kLayers) + "2.running_mean")
                           ? take_normed(parts, width, head)
                           : take_sequential(parts, kLayers, "relu", "gate.layers.", width, head);
  if (width != objectives) parts.take("gating.layers with a weight for each objective", {});
  head.section["gate"]["layers"] = std::move(layers);
}

}  // namespace

Result<std::optional<PublishedHead>> gated_head(const Files& base, const BesideBody& beside) {
  const bool gated = std::ranges::any_of(beside, [](const auto& t) { return t.first.starts_with(kLayers); });
  if (!gated) return std::optional<PublishedHead>();
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  const double temperature = fields.positive_or("gating_temperature", 10);
  const std::int64_t quantiles = fields.integer_or("num_quantiles", 1, 1, std::int64_t{1} << 16);
  if (const Status s = fields.status(); !s) return s.error();
  const auto header = header_of(base, shape->family);
  if (!header) return header.error();

  HeadParts parts(beside, base.name(), "the gated head");
  const StoredTensor* const regression = parts.take(kRegression, {-1, shape->width});
  const std::int64_t objectives = regression == nullptr ? 0 : regression->shape[0] / quantiles;
  if (regression != nullptr && regression->shape[0] != objectives * quantiles)
    parts.fail(std::string(kRegression) + " is " + checkpoint::shape_text(regression->shape) +
               ", expected as many rows for each objective as num_quantiles of config.json says, " +
               std::to_string(quantiles));
  const StoredTensor* const transform =
      parts.has(kTransform) ? parts.take(kTransform, {objectives, objectives}) : nullptr;
  const StoredTensor* const scale = parts.has(kScale) ? parts.take(kScale, {1}) : nullptr;
  PublishedHead head;
  head.name = "regression_layer";
  head.outputs = 1;
  head.section = {
      {"pooling", "last"},
      {"layers", {{{"type", "linear"}, {"in", shape->width}, {"out", objectives}, {"bias", false}}}},
      {"gate", {{"at_tokens", *header}, {"temperature", temperature}}}};
  take_gate(parts, shape->width, objectives, head);
  if (const Status s = parts.finish(); !s) return s.error();
  head.tensors["layers.0.weight"] =
      values_of(*regression, static_cast<std::size_t>(quantiles), transform, scale);
  head.notes.push_back(
      std::to_string(objectives) + " objectives" +
      (quantiles > 1 ? ", each the mean of " + std::to_string(quantiles) + " quantiles," : "") +
      " are weighted by a gate that reads the state at the end of the prompt");
  if (const Status s = add_skipped_token(base, head.section); !s) return s.error();
  return std::optional(std::move(head));
}

}  // namespace preferd::convert
