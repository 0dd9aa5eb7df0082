#include "model/convert/gated_head.h"

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

std::vector<float> floats_of(const StoredTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  quant::widen(tensor.dtype, tensor.bytes.data(), out.size(), out.data());
  return out;
}

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

// Takes parts by name and shape; the first failure is kept.
class Parts {
 public:
  Parts(const std::map<std::string, const StoredTensor*>& tensors, std::string where)
      : left_(tensors), where_(std::move(where)) {}

  bool has(const std::string& name) const { return left_.contains(name); }

  // Required; -1 in `shape` is any size.
  const StoredTensor* take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto it = left_.find(name);
    if (it == left_.end()) return fail("the gated head lacks " + name);
    const StoredTensor* const tensor = it->second;
    left_.erase(it);
    bool fits = tensor->shape.size() == shape.size() && quant::is_floating(tensor->dtype);
    for (std::size_t i = 0; fits && i < shape.size(); ++i)
      fits = shape[i] < 0 || shape[i] == tensor->shape[i];
    if (!fits)
      return fail(name + " is " + checkpoint::shape_text(tensor->shape) + ", expected floats of shape " +
                  checkpoint::shape_text(shape));
    return tensor;
  }

  Status finish() const {
    if (!failure_.empty()) return invalid(where_ + ": " + failure_);
    if (!left_.empty())
      return invalid(where_ + ": the gated head has " + left_.begin()->first + ", which it does not read");
    return Ok{};
  }

 private:
  const StoredTensor* fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
    return nullptr;
  }

  std::map<std::string, const StoredTensor*> left_;
  std::string where_, failure_;
};

// [objectives, hidden]: the rows of the regression, mixed as the matrix says, times the scale of the weights.
StoredTensor values_of(const StoredTensor& regression, const StoredTensor* transform,
                       const StoredTensor* scale) {
  const auto n = static_cast<std::size_t>(regression.shape[0]),
             width = static_cast<std::size_t>(regression.shape[1]);
  const std::vector<float> rows = floats_of(regression);
  const std::vector<float> mix = transform == nullptr ? std::vector<float>() : floats_of(*transform);
  const double factor = scale == nullptr ? 1 : static_cast<double>(floats_of(*scale)[0]);
  auto out = std::make_shared<std::vector<float>>(n * width);
  for (std::size_t to = 0; to < n; ++to)
    for (std::size_t c = 0; c < width; ++c) {
      double sum = 0;
      for (std::size_t from = 0; from < n; ++from) {
        const double share = mix.empty() ? (from == to ? 1 : 0) : static_cast<double>(mix[from * n + to]);
        if (share != 0) sum += share * static_cast<double>(rows[from * width + c]);
      }
      (*out)[to * width + c] = static_cast<float>(sum * factor);
    }
  return {quant::DType::kF32, regression.shape, std::as_bytes(std::span(*out)), out};
}

void take_gate(Parts& parts, std::int64_t hidden, std::int64_t objectives, PublishedHead& head) {
  OrderedJson layers = OrderedJson::array();
  std::int64_t width = hidden;
  for (std::size_t i = 0; parts.has(kLayers + std::to_string(i) + ".weight"); ++i) {
    if (i > 0) layers.push_back({{"type", "relu"}});
    const std::string from = kLayers + std::to_string(i), to = "gate.layers." + std::to_string(layers.size());
    const StoredTensor* const weight = parts.take(from + ".weight", {-1, width});
    if (weight == nullptr) return;
    head.tensors[to + ".weight"] = *weight;
    OrderedJson layer = {{"type", "linear"}, {"in", width}, {"out", weight->shape[0]}};
    width = weight->shape[0];
    if (!parts.has(from + ".bias"))
      layer["bias"] = false;
    else if (const StoredTensor* const bias = parts.take(from + ".bias", {width}))
      head.tensors[to + ".bias"] = *bias;
    layers.push_back(std::move(layer));
  }
  if (width != objectives || layers.empty()) parts.take("gating.layers with a weight for each objective", {});
  head.section["gate"]["layers"] = std::move(layers);
}

}  // namespace

Result<std::optional<PublishedHead>> gated_head(const Files& base,
                                                const std::map<std::string, const StoredTensor*>& beside) {
  const bool gated = std::ranges::any_of(beside, [](const auto& t) { return t.first.starts_with(kLayers); });
  if (!gated) return std::optional<PublishedHead>();
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  const double temperature = fields.positive_or("gating_temperature", 10);
  if (const Status s = fields.status(); !s) return s.error();
  const auto header = header_of(base, shape->family);
  if (!header) return header.error();

  Parts parts(beside, base.name());
  const StoredTensor* const regression = parts.take(kRegression, {-1, shape->width});
  const std::int64_t objectives = regression == nullptr ? 0 : regression->shape[0];
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
  head.tensors["layers.0.weight"] = values_of(*regression, transform, scale);
  head.notes.push_back(std::to_string(objectives) +
                       " objectives are weighted by a gate that reads the state at the end of the prompt");
  const auto skip = skipped_token(base);
  if (!skip) return skip.error();
  if (*skip) head.section["skip_token"] = **skip;
  return std::optional(std::move(head));
}

}  // namespace preferd::convert
