#include "model/scorer/adapted_model.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/parallel.h"
#include "model/scorer/adapter_files.h"
#include "model/scorer/package_head.h"
#include "model/scorer/packer.h"

namespace preferd::scorer {
namespace {

// config.json, checked against what the package says about it.
struct BaseConfig {
  Json json;
  const families::Family* family = nullptr;
  families::BodyOptions options;
  std::int64_t all_layers = 0;
  bool prequantized = false;
  std::string where;
};

std::int64_t count_layers(checkpoint::Fields& fields, const char* key) {
  const Json& json = fields.json();
  if (!json.contains(key) || !json[key].is_array()) return fields.integer(key, 1, 4096);
  const std::size_t count = json[key].size();
  if (count < 1 || count > 4096)
    fields.fail(std::string(key) + " has " + std::to_string(count) + " entries, expected 1 to 4096");
  return static_cast<std::int64_t>(count);
}

Result<BaseConfig> read_base_config(const Files& folder, std::optional<std::int64_t> max_layers) {
  BaseConfig base;
  auto json = checkpoint::read_json_object(folder, "config.json");
  if (!json) return json.error();
  base.json = std::move(*json);
  base.where = folder.name() + "/config.json";
  checkpoint::Fields fields(base.json, base.where);
  const auto family = families::family_of(fields);
  if (!family) return family.error();
  base.family = *family;
  base.all_layers = count_layers(fields, base.family->layer_key);
  if (const Status status = fields.status(); !status) return status.error();
  base.options.layers = max_layers.value_or(base.all_layers);
  base.options.positions = 1;
  if (base.options.layers > base.all_layers)
    return invalid("package.json: base.max_layers is " + std::to_string(base.options.layers) +
                   ", the base has " + std::to_string(base.all_layers) + " layers");
  base.prequantized =
      base.json.contains("quantization_config") && !base.json["quantization_config"].is_null();
  return base;
}

Result<BaseConfig> read_base_config(const package::Manifest& manifest, const Files& folder) {
  auto base = read_base_config(folder, manifest.max_layers);
  if (!base) return base.error();
  base->options.positions = manifest.input.max_tokens;
  base->options.second_type_after = manifest.second_type_after;
  for (const package::AdapterSpec& adapter : manifest.adapters)
    if (package::traits(adapter.head.output).reads_lm_head()) {
      base->options.lm_head = families::BodyOptions::LmHead::kBuild;
      if (base->family->mask != families::AttentionMask::kCausal)
        return invalid(std::string("package.json: head.output is ") + word_of(adapter.head.output) +
                       " over " + base->family->model_type + ", which is not a causal language model");
    }
  return base;
}

Result<std::unique_ptr<families::Body>> build(const BaseConfig& base, checkpoint::WeightSource& weights) {
  checkpoint::Fields fields(base.json, base.where);
  auto body = base.family->build(fields, weights, base.options);
  if (const Status status = fields.status(); !status) return status.error();
  PREFERD_CHECK(body != nullptr);
  return body;
}

// A family whose weight matrices are not linears (a recurrence) has nothing to quantize and nothing that LoRA
// can adapt.
Status check_linears(const families::Family& family, const package::Manifest& manifest,
                     const std::vector<checkpoint::Declared>& tensors) {
  const auto linear = [](const checkpoint::Declared& d) { return d.role == checkpoint::Role::kLinear; };
  if (std::any_of(tensors.begin(), tensors.end(), linear)) return Ok{};
  const std::string what = std::string(family.model_type) + " has no linear layers";
  if (manifest.quantization.scheme != checkpoint::Quantization::Scheme::kNone)
    return invalid(std::string("package.json: quantization.scheme is ") +
                   word_of(manifest.quantization.scheme) + ", expected none, as " + what);
  for (const package::AdapterSpec& adapter : manifest.adapters)
    if (adapter.path)
      return invalid("package.json: adapter.path is '" + *adapter.path + "', expected no adapter, as " +
                     what);
  return Ok{};
}

Result<ModelShape> shape_of(const BaseConfig& base) {
  checkpoint::ShapesOnly shapes, with_output;
  const auto body = build(base, shapes);
  if (!body) return body.error();
  BaseConfig causal = base;
  causal.options.lm_head = families::BodyOptions::LmHead::kBuild;
  if (const auto whole = build(causal, with_output); !whole) return whole.error();
  const auto& all = with_output.declared();
  const auto is_output = [](const checkpoint::Declared& d) { return d.role == checkpoint::Role::kOutput; };
  ModelShape shape;
  shape.family = base.family->model_type;
  shape.prefix = base.family->prefix;
  shape.tensors = shapes.declared();
  shape.layers = base.options.layers;
  shape.all_layers = base.all_layers;
  shape.width = (*body)->width();
  shape.most_positions = (*body)->most_positions();
  shape.prequantized = base.prequantized;
  shape.causal = base.family->mask == families::AttentionMask::kCausal;
  shape.tied = base.family->mask == families::AttentionMask::kCausal &&
               std::none_of(all.begin(), all.end(), is_output);
  shape.activation_bytes = (*body)->activation_bytes(static_cast<std::int64_t>(kForwardTokens.tokens));
  return shape;
}

// The rows `ids` of a matrix, dense.
quant::Matrix rows_of(const quant::Matrix& m, const std::vector<std::int32_t>& ids) {
  auto buffer = std::make_shared<std::vector<float>>(ids.size() * static_cast<std::size_t>(m.cols));
  for (std::size_t i = 0; i < ids.size(); ++i)
    quant::decode(m, ids[i], 0, m.cols, buffer->data() + i * static_cast<std::size_t>(m.cols));
  const quant::Dense form{reinterpret_cast<const std::byte*>(buffer->data()), quant::DType::kF32};
  return {static_cast<std::int64_t>(ids.size()), m.cols, form, buffer};
}

Status take_token_rows(const PairEncoder& encoder, const families::Body& body, LoadedAdapter& adapter) {
  std::vector<std::int32_t> ids;
  for (const std::string& token : adapter.spec.tokens) {
    const auto id = encoder.tokenizer().single(token);
    if (!id) return invalid("package.json: head.tokens '" + token + "' is not one token");
    ids.push_back(*id);
  }
  adapter.token_rows = {rows_of(body.lm_head()->weight, ids), {}, body.lm_head()->module};
  adapter.token_softcap = body.logit_softcap();
  if (const auto lora = adapter.projections.find("lm_head"); lora != adapter.projections.end())
    lora->second.b = rows_of(lora->second.b, ids);
  return Ok{};
}

// What DoRA needs to know of the base.
void set_gains(const std::map<std::string, std::vector<float>>& magnitudes, const ModelShape& shape,
               checkpoint::WeightSource& source, LoadedAdapter& adapter) {
  if (magnitudes.empty()) return;
  ThreadPool pool(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  for (const auto& [module, magnitude] : magnitudes) {
    std::vector<float> bias;
    quant::Matrix weight;
    for (const checkpoint::Declared& d : shape.tensors) {
      if (d.name == module + ".weight") weight = source.linear(d.name, d.shape[0], d.shape[1]);
      if (d.name == module + ".bias") bias = source.vector(d.name, d.shape[0]);
    }
    checkpoint::LoraWeights& lora = adapter.projections.at(module);
    lora.dora = checkpoint::dora_gain(magnitude, weight, bias, lora, pool);
  }
}

void count_bytes(const BaseConfig& base, checkpoint::WeightSource& weights, AdaptedModel& model) {
  checkpoint::ShapesOnly shapes;
  const auto body = build(base, shapes);
  if (!body) return;
  std::size_t& bytes = model.stored_bytes;
  for (const checkpoint::Declared& d : shapes.declared()) {
    if (d.role == checkpoint::Role::kLinear) {
      model.linear_bytes += quant::stored_bytes(weights.linear(d.name, d.shape[0], d.shape[1]));
      model.linear_elements += static_cast<std::size_t>(d.shape[0] * d.shape[1]);
    }
    if (d.role == checkpoint::Role::kEmbedding)
      bytes += quant::stored_bytes(weights.embedding(d.name, d.shape[0], d.shape[1]));
    if (d.role == checkpoint::Role::kOutput)
      bytes += quant::stored_bytes(weights.output(d.name, d.shape[0], d.shape[1]));
    if (d.role == checkpoint::Role::kPlain) bytes += quant::stored_bytes(weights.plain(d.name, d.shape));
    if (d.role == checkpoint::Role::kVector) bytes += 4 * static_cast<std::size_t>(d.shape[0]);
  }
  bytes += model.linear_bytes;
}

}  // namespace

Result<ModelShape> model_shape(const PairEncoder& encoder) {
  return model_shape(encoder.manifest(), encoder.base());
}

Result<ModelShape> model_shape(const package::Manifest& manifest, const Files& folder) {
  const auto base = read_base_config(manifest, folder);
  if (!base) return base.error();
  return shape_of(*base);
}

Result<ModelShape> base_shape(const Files& folder) {
  const auto base = read_base_config(folder, std::nullopt);
  if (!base) return base.error();
  return shape_of(*base);
}

Result<AdaptedModel> load_model(const PairEncoder& encoder, const SourceWrapper& wrap) {
  const package::Manifest& manifest = encoder.manifest();
  const auto base = read_base_config(manifest, encoder.base());
  if (!base) return base.error();
  const auto shape = shape_of(*base);
  if (!shape) return shape.error();
  if (const Status s = check_linears(*base->family, manifest, shape->tensors); !s) return s.error();

  AdaptedModel model;
  model.family = base->family->model_type;
  model.layers = base->options.layers;
  auto weights = checkpoint::BaseWeights::open(encoder.base(), manifest.quantization, base->family->prefix,
                                               base->prequantized);
  if (!weights) return weights.error();
  model.sources.push_back(*weights);
  if (wrap) model.sources.push_back(wrap(*weights));
  checkpoint::WeightSource& source = *model.sources.back();
  auto body = build(*base, source);
  if (!body) return body.error();
  const Status accounted = (*weights)->finish(model.family, static_cast<int>(base->options.layers),
                                              static_cast<int>(base->all_layers));
  if (!accounted) return accounted.error();
  count_bytes(*base, source, model);
  model.bodies.push_back(std::move(*body));

  for (const package::AdapterSpec& spec : manifest.adapters) {
    LoadedAdapter adapter;
    adapter.spec = spec.head;
    checkpoint::TensorMap head;
    std::string folder_name;
    if (spec.path) {
      auto files = read_adapter(encoder, *shape, spec);
      if (!files) return files.error();
      folder_name = files->folder;
      checkpoint::PeftAdapter& peft = files->peft;
      for (const auto& [module, projection] : peft.projections)
        model.stored_bytes += quant::stored_bytes(projection.a) + quant::stored_bytes(projection.b);
      adapter.projections = std::move(peft.projections);
      set_gains(peft.magnitudes, *shape, source, adapter);
      head = std::move(peft.head);
      if (!peft.saved.empty()) {
        auto overlay =
            std::make_shared<checkpoint::OverlayWeights>(source, std::move(peft.saved), folder_name);
        auto variant = build(*base, *overlay);
        if (!variant) return variant.error();
        if (!overlay->problems().empty()) return invalid(overlay->problems().front());
        model.sources.push_back(overlay);
        adapter.body = model.bodies.size();
        model.bodies.push_back(std::move(*variant));
      }
    }
    const families::Body& own = *model.bodies[adapter.body];
    if (!package::traits(spec.head.output).reads_lm_head()) {
      auto made = make_head(encoder, spec.head, std::move(head), folder_name, own.width());
      if (!made) return made.error();
      adapter.head = std::move(*made);
    } else if (!head.empty()) {
      return invalid(std::string("package.json: ") + word_of(spec.head.output) + " takes no head, " +
                     folder_name + " holds one");
    } else if (const Status taken = take_token_rows(encoder, own, adapter); !taken) {
      return taken.error();
    }
    model.adapters.push_back(std::move(adapter));
  }
  return model;
}

}  // namespace preferd::scorer
