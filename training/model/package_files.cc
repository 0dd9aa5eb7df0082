#include "training/model/package_files.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>
#include <sstream>

#include "model/checkpoint/fields.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/text/chat_template_file.h"
#include "training/config/start.h"
#include "training/model/random.h"

namespace preferd::training {
namespace {

constexpr const char* kFormat = "preferd-package/1";
constexpr const char* kWrittenBase = "/start/base";  // in a run's folder

checkpoint::StoredTensor uniform(std::uint64_t seed, const std::string& name, std::vector<std::int64_t> shape,
                                 double bound) {
  SplitMix random = named_stream(seed, name);
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = static_cast<float>((2 * random.uniform() - 1) * bound);
  return make_tensor(std::move(shape), std::move(values));
}

checkpoint::StoredTensor zeros(std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return make_tensor(std::move(shape), std::vector<float>(static_cast<std::size_t>(count)));
}

bool is_conversation(const Json& package) {
  return package.contains("input") && package["input"].is_object() &&
         package["input"].value("layout", Json()) == "conversation";
}

bool ends_with_module(const std::string& module, const std::string& target) {
  return module == target || module.ends_with("." + target);
}

// "layers.3.mlp.up_proj" -> 3 of "layers"; "encoder.layer.0.output.dense" -> 0 of "layer".
struct Layer {
  std::int64_t number = -1;  // -1: the name contains no layer
  std::string list;
};

Layer layer_of(const std::string& module) {
  std::string before;
  std::istringstream parts(module);
  for (std::string part; std::getline(parts, part, '.'); before = part)
    if (!before.empty() && !part.empty() && part.find_first_not_of("0123456789") == std::string::npos)
      return {std::atoll(part.c_str()), before};
  return {};
}

std::string module_of(const checkpoint::Declared& d) { return d.name.substr(0, d.name.rfind('.')); }

// The name of the family's list of layers.
std::string list_of_layers(const scorer::ModelShape& shape) {
  for (const checkpoint::Declared& d : shape.tensors)
    if (const Layer layer = layer_of(module_of(d)); d.role == checkpoint::Role::kLinear && layer.number >= 0)
      return layer.list;
  return "layers";
}

Status initial_adapter(const TrainConfig& config, package::Output output, const scorer::ModelShape& shape,
                       checkpoint::TensorMap& into) {
  const AdapterConfig& a = config.adapter;
  const std::int64_t last = a.last_layer < 0 ? shape.layers - 1 : a.last_layer;
  if (last >= shape.layers || a.first_layer > last)
    return invalid("adapter.first_layer " + std::to_string(a.first_layer) + " to last_layer " +
                   std::to_string(last) + " are not within the model's layers 0 to " +
                   std::to_string(shape.layers - 1));
  const std::string wrapped =
      package::traits(output).reads_lm_head() ? "base_model.model.model." : "base_model.model.";
  const auto seed = static_cast<std::uint64_t>(config.seed);
  if (a.targets.empty()) return invalid("adapter.targets is empty, expected names of linear modules");
  const bool picked = a.first_layer > 0 || last < shape.layers - 1;
  std::set<std::string> unused(a.targets.begin(), a.targets.end()), ends;
  for (const checkpoint::Declared& d : shape.tensors) {
    if (d.role != checkpoint::Role::kLinear || d.name.starts_with("lm_head")) continue;
    const std::string module = module_of(d);
    ends.insert(module.substr(module.rfind('.') + 1));
    const auto target = std::find_if(a.targets.begin(), a.targets.end(),
                                     [&](const std::string& t) { return ends_with_module(module, t); });
    if (target == a.targets.end()) continue;
    unused.erase(*target);
    // If layers are not picked, PEFT also adapts modules that are in no layer.
    if (const std::int64_t layer = layer_of(module).number;
        layer < 0 ? picked : layer < a.first_layer || layer > last)
      continue;
    const std::string name = wrapped + module;
    into[name + ".lora_A.weight"] =
        uniform(seed, module + ".lora_A", {a.r, d.shape[1]}, 1 / std::sqrt(static_cast<double>(d.shape[1])));
    into[name + ".lora_B.weight"] = zeros({d.shape[0], a.r});
  }
  if (ends.empty())
    return invalid("method is lora over " + shape.family +
                   ", which has no linear layers; expected full or head");
  if (unused.empty()) return Ok{};
  std::string known;
  for (const std::string& e : ends) known += (known.empty() ? "" : ", ") + e;
  return invalid("adapter.targets: '" + *unused.begin() + "' names no linear module; there are " + known);
}

void linear(std::uint64_t seed, const std::string& name, std::int64_t out, std::int64_t in, bool bias,
            checkpoint::TensorMap& into) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  into[name + ".weight"] = uniform(seed, "head." + name + ".weight", {out, in}, bound);
  if (bias) into[name + ".bias"] = uniform(seed, "head." + name + ".bias", {out}, bound);
}

}  // namespace

checkpoint::StoredTensor make_tensor(std::vector<std::int64_t> shape, std::vector<float> values) {
  auto owner = std::make_shared<std::vector<float>>(std::move(values));
  return {quant::DType::kF32, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

Result<Json> package_json(const TrainConfig& config) {
  Json json = config.package;
  if (!json.is_object() || json.empty())
    return invalid(
        "package is missing, expected a table as in package.json, or a start whose package is taken");
  for (const char* made : {"adapter", "adapters", "golden", "calibration"})
    if (json.contains(made))
      return invalid(std::string("package.") + made + " is made by training, expected none");
  if (json.value("format", Json(kFormat)) != kFormat)
    return invalid("package.format is " + preferd::describe(json["format"]) + ", expected " + kFormat);
  json["format"] = kFormat;
  if (!json.contains("name")) json["name"] = std::filesystem::path(config.output).filename().string();
  if (json.contains("base") && json["base"].is_object() && json["base"].value("path", Json()).is_string()) {
    const auto path = json["base"]["path"].get<std::string>();
    std::error_code ec;
    const auto base = std::filesystem::absolute(path == kEmbedded ? config.output + kWrittenBase : path, ec);
    json["base"]["path"] = base.lexically_normal().string();
  }
  if (is_conversation(json)) json["input"]["chat_template"] = kTemplateFile;
  if (config.method == Method::kLora) json["adapter"] = {{"path", kAdapterFolder}};
  if (!json.contains("head") || !json["head"].is_object()) return json;
  if (json["head"].contains("file")) return invalid("package.head.file is made by training, expected none");
  const Json output = json["head"].value("output", Json());
  const auto over_lm_head = [&](const package::OutputTraits& row) {
    return row.reads_lm_head() && output == row.word;
  };
  if (std::ranges::none_of(package::kOutputs, over_lm_head)) json["head"]["file"] = kHeadFile;
  return json;
}

Result<std::string> chat_template_of(const TrainConfig& config, const Files& base) {
  if (!is_conversation(config.package)) return std::string();
  const Json path = config.package["input"].value("chat_template", Json(""));
  if (!path.is_string()) return invalid("package.input.chat_template is not a text, expected a file's path");
  if (path != "") {
    const auto file = map_file(path.get<std::string>());
    if (!file) return invalid("package.input.chat_template: " + file.error().what);
    return std::string(file->text());
  }
  auto own = text::read_chat_template(base);
  if (own && own->empty())
    return invalid(base.name() +
                   ": there is no chat template; expected package.input.chat_template with a file, or "
                   "package.input.template with text around the fields");
  return own;
}

Json adapter_config(const AdapterConfig& a, const std::string& base, const scorer::ModelShape& shape) {
  Json json = {{"peft_type", "LORA"},
               {"task_type", nullptr},
               {"base_model_name_or_path", base},
               {"inference_mode", true},
               {"r", a.r},
               {"lora_alpha", a.alpha},
               {"lora_dropout", a.dropout},
               {"use_rslora", a.rslora},
               {"fan_in_fan_out", false},
               {"bias", "none"},
               {"target_modules", a.targets},
               {"modules_to_save", nullptr},
               {"layers_to_transform", nullptr},
               {"layers_pattern", nullptr},
               {"rank_pattern", Json::object()},
               {"alpha_pattern", Json::object()},
               {"init_lora_weights", true}};
  const std::int64_t last = a.last_layer < 0 ? shape.layers - 1 : a.last_layer;
  if (a.first_layer > 0 || last < shape.layers - 1) {
    Json list = Json::array();
    for (std::int64_t i = a.first_layer; i <= last; ++i) list.push_back(i);
    json["layers_to_transform"] = list;
    json["layers_pattern"] = list_of_layers(shape);
  }
  if (a.alpha == std::floor(a.alpha)) json["lora_alpha"] = static_cast<std::int64_t>(a.alpha);
  return json;
}

Result<PackageTensors> initial_tensors(const TrainConfig& config, const package::Manifest& manifest,
                                       const scorer::ModelShape& shape) {
  PackageTensors tensors;
  if (config.method == Method::kLora)
    if (const Status s = initial_adapter(config, manifest.output(), shape, tensors.adapter); !s)
      return s.error();
  const package::HeadSpec& head = manifest.adapters.front().head;
  const auto seed = static_cast<std::uint64_t>(config.seed);
  if (head.projection)
    linear(seed, "feature_projection", head.projection->out, package::feature_columns(manifest), true,
           tensors.head);
  for (std::size_t i = 0; i < head.layers.size(); ++i)
    if (const package::HeadLayer& l = head.layers[i]; l.type == package::HeadLayer::Type::kLinear)
      linear(seed, "layers." + std::to_string(i), l.out, l.in, l.bias, tensors.head);
  return tensors;
}

std::string statistics_text(const features::Standardization& statistics) {
  const auto floats = [](const std::vector<double>& v) {
    return make_tensor({static_cast<std::int64_t>(v.size())}, std::vector<float>(v.begin(), v.end()));
  };
  return checkpoint::safetensors_text({{"mean", floats(statistics.mean)}, {"std", floats(statistics.std)}});
}

}  // namespace preferd::training
