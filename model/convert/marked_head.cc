#include "model/convert/marked_head.h"

#include "model/checkpoint/fields.h"
#include "model/scorer/model_shape.h"

namespace preferd::convert {
namespace {

constexpr const char* kMarkers[] = {"source_prefix_id", "cand1_prefix_id", "cand2_prefix_id"};

// The last linear with one output, the mean of what it gave.
void average(PublishedHead& head) {
  OrderedJson& layer = head.section["layers"].back();
  const std::string name = "layers." + std::to_string(head.section["layers"].size() - 1);
  const auto outs = layer["out"].get<std::size_t>();
  for (const std::string part : {".weight", ".bias"}) {
    const auto tensor = head.tensors.find(name + part);
    if (tensor == head.tensors.end()) continue;
    const std::vector<float> values = floats_of(tensor->second);
    std::vector<float> mean(values.size() / outs);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      double sum = 0;
      for (std::size_t row = 0; row < outs; ++row) sum += static_cast<double>(values[row * mean.size() + i]);
      mean[i] = static_cast<float>(sum / static_cast<double>(outs));
    }
    auto shape = tensor->second.shape;
    shape[0] = 1;
    tensor->second = stored(std::move(mean), std::move(shape));
  }
  layer["out"] = 1;
}

}  // namespace

Result<std::optional<PublishedHead>> marked_head(const Files& base, const BesideBody& beside) {
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  if (!fields.has(kMarkers[0])) return std::optional<PublishedHead>();
  OrderedJson markers = OrderedJson::array();
  for (const char* key : kMarkers) markers.push_back(fields.integer(key, 0, std::int64_t{1} << 24));
  if (const Status s = fields.status(); !s) return s.error();
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  if (shape->causal)
    return invalid(fields.where() + ": source_prefix_id is there, but a state of " + shape->family +
                   " does not see the whole text");

  HeadParts parts(beside, base.name(), "the head that reads at markers");
  PublishedHead head;
  head.name = "head_layer";
  head.outputs = 1;
  std::int64_t width = 2 * shape->width;
  head.section = {{"pooling", "markers"}, {"markers", markers}};
  head.section["layers"] = take_sequential(parts, "head_layer.", "tanh", "layers.", width, head);
  if (const Status s = parts.finish(); !s) return s.error();
  if (width > 1) average(head);
  head.notes.push_back(
      "both responses stand in one text, and the head compares the states of their markers: the logit is "
      "that of "
      "\"B is better\", and which response comes first matters (--swap)");
  return std::optional(std::move(head));
}

}  // namespace preferd::convert
