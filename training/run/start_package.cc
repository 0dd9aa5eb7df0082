#include "training/run/start_package.h"

#include <filesystem>

#include "model/checkpoint/fields.h"
#include "model/default/default_package.h"
#include "training/config/start.h"
#include "training/data/statistics.h"

namespace preferd::training {
namespace {

// What a run has from an earlier package instead of fresh tensors.
struct Origin {
  std::shared_ptr<const Files> files;  // null: the run starts from fresh tensors
  std::optional<checkpoint::TensorMap> adapter, head;
  Json adapter_config;
  std::string features;
};

Status read_origin_adapter(const Files& folder, Origin& into) {
  auto json = checkpoint::read_json_object(folder, "adapter_config.json");
  if (!json) return json.error();
  auto tensors = checkpoint::read_safetensors(folder, "adapter_model.safetensors");
  if (!tensors) return tensors.error();
  for (const auto& [name, tensor] : *tensors)
    if (!name.ends_with(".lora_A.weight") && !name.ends_with(".lora_B.weight"))
      return invalid("start " + folder.name() + ": tensor " + name +
                     " would not be trained, expected an adapter with only lora_A and lora_B");
  into.adapter = std::move(*tensors);
  into.adapter_config = std::move(*json);
  return Ok{};
}

Result<Origin> read_origin(const TrainConfig& config) {
  Origin origin;
  if (config.start.empty()) return origin;
  const auto files = open_start(config.start);
  if (!files) return invalid("start: " + files.error().what);
  origin.files = *files;
  const auto no_adapter = [&] {
    return invalid("start " + config.start + " has an adapter, which a method other than lora drops");
  };
  if ((*files)->exists("adapter_config.json")) {
    if (config.method != Method::kLora) return no_adapter();
    if (const Status s = read_origin_adapter(**files, origin); !s) return s.error();
    return origin;
  }
  const auto manifest = package::read_manifest(**files);
  if (!manifest) return invalid("start: " + manifest.error().what);
  const package::AdapterSpec& spec = manifest->adapters.front();
  if (spec.path) {
    if (config.method != Method::kLora) return no_adapter();
    const auto folder = (*files)->folder(*spec.path);
    if (!folder) return folder.error();
    if (const Status s = read_origin_adapter(**folder, origin); !s) return s.error();
  }
  if (spec.head.file) {
    auto head = checkpoint::read_safetensors(**files, *spec.head.file);
    if (!head) return head.error();
    origin.head = std::move(*head);
  }
  if (manifest->features.standardize) {
    const auto bytes = (*files)->open(manifest->features.file);
    if (!bytes) return bytes.error();
    origin.features = bytes->text();
  }
  return origin;
}

Result<std::string> statistics(const Dataset& data, const package::Manifest& manifest, ThreadPool& pool,
                               const DataEvents& events) {
  const auto columns =
      package::traits(manifest.output()).scores_each_response() ? Columns::kResponse : Columns::kPair;
  const auto found = feature_statistics(data, data.train(), manifest.features.set, columns, pool, events);
  if (!found) return found.error();
  return statistics_text(*found);
}

// The base's name in adapter_config.json: a name that means something on other machines, never a path of this
// one. `said`: the name in the adapter that the run starts from; `path`: where the base is.
std::string base_name(const Files& base, const std::string& path, const std::string& said) {
  const auto is_name = [](const std::string& name) {
    return !name.empty() && !std::filesystem::path(name).is_absolute();
  };
  if (is_name(said)) return said;
  if (const auto config = checkpoint::read_json_object(base, "config.json"))
    if (const auto it = config->find("_name_or_path"); it != config->end() && it->is_string())
      if (const auto name = it->get<std::string>(); is_name(name)) return name;
  return std::filesystem::path(path).filename().string();
}

// The embedded base if the configuration names it; otherwise null.
Result<std::shared_ptr<const Files>> embedded_base(const TrainConfig& config) {
  if (config.package["base"].value("path", Json()) != kEmbedded) return std::shared_ptr<const Files>();
  const auto package = embedded::default_package();
  if (!package) return invalid("package.base.path " + std::string(kEmbedded) + ": " + package.error().what);
  const auto manifest = package::read_manifest(**package);
  if (!manifest) return manifest.error();
  return package::open_base(**package, *manifest);
}

}  // namespace

Status make_start(const TrainConfig& config, const Dataset& data, const package::Manifest& manifest,
                  const std::string& folder, ThreadPool& pool, const DataEvents& events, PackageForm& form) {
  auto origin = read_origin(config);
  if (!origin) return origin.error();
  if (manifest.features.standardize) form.features = origin->features;
  if (manifest.features.standardize && form.features.empty()) {
    auto text = statistics(data, manifest, pool, events);
    if (!text) return text.error();
    form.features = std::move(*text);
  }
  const auto embedded = embedded_base(config);
  if (!embedded) return embedded.error();
  const auto base = *embedded ? embedded : package::open_base(manifest.base_path);
  if (!base) return base.error();
  auto chat_template = chat_template_of(config, **base);
  if (!chat_template) return chat_template.error();
  form.chat_template = std::move(*chat_template);
  const auto shape = scorer::model_shape(manifest, **base);
  if (!shape) return shape.error();
  if (config.method == Method::kLora) {
    const bool fresh = origin->adapter_config.is_null();
    Json json = fresh ? adapter_config(config.adapter, "", *shape) : std::move(origin->adapter_config);
    const Json said = json.value("base_model_name_or_path", Json());
    const std::string path = *embedded ? manifest.base_path : (*base)->name();
    json["base_model_name_or_path"] =
        base_name(**base, path, said.is_string() ? said.get<std::string>() : "");
    form.adapter_config = std::move(json);
  }
  auto tensors = initial_tensors(config, manifest, *shape);
  if (!tensors) return tensors.error();
  if (origin->adapter) tensors->adapter = std::move(*origin->adapter);
  if (origin->head) tensors->head = std::move(*origin->head);
  PackageForm here = form;
  here.base = *embedded;
  here.stored_base = *embedded ? StoredBase::kCopied : StoredBase::kNone;
  here.adapter_dtype = AdapterDtype::kFp32;
  if (const Status s = write_package(folder, here, *tensors); !s) return s;
  return origin->files ? origin->files->intact(Look::kThorough) : Status(Ok{});
}

Status read_start(const std::string& folder, const package::Manifest& manifest, PackageForm& form) {
  const auto files = open_directory(folder);
  if (!files) return files.error();
  if (manifest.features.standardize) {
    const auto bytes = (*files)->open(manifest.features.file);
    if (!bytes) return bytes.error();
    form.features = bytes->text();
  }
  if (manifest.input.conversation) {
    const auto bytes = (*files)->open(manifest.input.conversation->file);
    if (!bytes) return bytes.error();
    form.chat_template = bytes->text();
  }
  if (manifest.adapters.front().path) {
    const auto adapter = (*files)->folder(kAdapterFolder);
    if (!adapter) return adapter.error();
    auto json = checkpoint::read_json_object(**adapter, "adapter_config.json");
    if (!json) return json.error();
    form.adapter_config = std::move(*json);
  }
  return Ok{};
}

}  // namespace preferd::training
