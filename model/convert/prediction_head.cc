#include "model/convert/prediction_head.h"

#include <algorithm>

#include "model/checkpoint/fields.h"
#include "model/scorer/model_shape.h"

namespace preferd::convert {
namespace {

using checkpoint::StoredTensor;

struct Asked {
  std::string pooling, activation;
  double eps;
};

Result<Asked> read_config(const Files& base) {
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  const Asked asked{fields.text_or("classifier_pooling", "cls"),
                    fields.text_or("classifier_activation", "gelu"), fields.positive_or("norm_eps", 1e-5)};
  if (asked.pooling != "cls" && asked.pooling != "mean")
    fields.fail("classifier_pooling is '" + asked.pooling + "', expected cls or mean");
  if (asked.activation != "gelu" && asked.activation != "relu" && asked.activation != "tanh")
    fields.fail("classifier_activation is '" + asked.activation + "', expected gelu, relu or tanh");
  if (const Status s = fields.status(); !s) return s.error();
  return asked;
}

}  // namespace

Result<std::optional<PublishedHead>> prediction_head(const Files& base, const BesideBody& beside) {
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  if (shape->family != "modernbert" || !beside.contains("classifier.weight"))
    return std::optional<PublishedHead>();
  const auto asked = read_config(base);
  if (!asked) return asked.error();
  HeadParts parts(beside, base.name(), "the head of modernbert");
  const std::int64_t h = shape->width;
  const auto optional = [&](const char* name, std::int64_t size) {
    return parts.has(name) ? parts.take(name, {size}) : nullptr;
  };
  const StoredTensor* const dense = parts.take("head.dense.weight", {h, h});
  const StoredTensor* const dense_bias = optional("head.dense.bias", h);
  const StoredTensor* const factor = parts.take("head.norm.weight", {h});
  const StoredTensor* const shift = optional("head.norm.bias", h);
  const StoredTensor* const classifier = parts.take("classifier.weight", {-1, h});
  const StoredTensor* const bias =
      parts.take("classifier.bias", {classifier == nullptr ? -1 : classifier->shape[0]});
  if (const Status s = parts.finish(); !s) return s.error();

  PublishedHead head;
  head.name = "classifier";
  head.outputs = classifier->shape[0];
  OrderedJson first = {{"type", "linear"}, {"in", h}, {"out", h}};
  if (dense_bias == nullptr) first["bias"] = false;
  head.section = {{"pooling", asked->pooling == "cls" ? "first" : "mean"},
                  {"layers",
                   {std::move(first),
                    {{"type", asked->activation}},
                    {{"type", "layer_norm"}, {"eps", asked->eps}},
                    {{"type", "linear"}, {"in", h}, {"out", head.outputs}}}}};
  head.tensors["layers.0.weight"] = *dense;
  if (dense_bias != nullptr) head.tensors["layers.0.bias"] = *dense_bias;
  StoredTensor last = *classifier, last_bias = *bias;
  const std::vector<float> by = floats_of(*factor);
  std::vector<double> plus(by.size());
  if (shift != nullptr) std::ranges::copy(floats_of(*shift), plus.begin());
  read_through(std::vector<double>(by.begin(), by.end()), plus, last, last_bias);
  head.tensors["layers.3.weight"] = std::move(last);
  head.tensors["layers.3.bias"] = std::move(last_bias);
  return std::optional(std::move(head));
}

}  // namespace preferd::convert
