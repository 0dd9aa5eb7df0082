#include "training/run/prepare.h"

#include <filesystem>

#include "base/sha256.h"
#include "model/checkpoint/fields.h"
#include "model/default/default_package.h"
#include "model/families/body.h"
#include "model/scorer/adapted_model.h"
#include "training/config/load.h"
#include "training/config/start.h"
#include "training/data/statistics.h"
#include "training/objective/objective.h"

namespace preferd::training {
namespace {

std::int64_t outputs_of(const package::HeadSpec& head) {
  std::int64_t out = 0;
  for (const package::HeadLayer& l : head.layers)
    if (l.type == package::HeadLayer::Type::kLinear) out = l.out;
  return out;
}

// What a run starts from instead of fresh tensors.
struct Start {
  std::shared_ptr<const Files> files;  // null: the run starts from fresh tensors
  std::optional<checkpoint::TensorMap> adapter, head;
  Json adapter_config;
  std::string features;
};

Result<Json> read_object(const Files& files, const std::string& name) {
  const auto bytes = files.open(name);
  if (!bytes) return bytes.error();
  auto json = parse_json(bytes->text());
  if (!json) return invalid(files.name() + "/" + name + ": " + json.error().what);
  return json;
}

Status read_start_adapter(const Files& folder, Start& into) {
  auto json = read_object(folder, "adapter_config.json");
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

Result<Start> read_start(const TrainConfig& config) {
  Start start;
  if (config.start.empty()) return start;
  const auto files = open_start(config.start);
  if (!files) return invalid("start: " + files.error().what);
  start.files = *files;
  const auto no_adapter = [&] {
    return invalid("start " + config.start + " has an adapter, which a method other than lora drops");
  };
  if ((*files)->exists("adapter_config.json")) {
    if (config.method != Method::kLora) return no_adapter();
    if (const Status s = read_start_adapter(**files, start); !s) return s.error();
    return start;
  }
  const auto manifest = package::read_manifest(**files);
  if (!manifest) return invalid("start: " + manifest.error().what);
  const package::AdapterSpec& spec = manifest->adapters.front();
  if (spec.path) {
    if (config.method != Method::kLora) return no_adapter();
    const auto folder = (*files)->folder(*spec.path);
    if (!folder) return folder.error();
    if (const Status s = read_start_adapter(**folder, start); !s) return s.error();
  }
  if (spec.head.file) {
    auto head = checkpoint::read_safetensors(**files, *spec.head.file);
    if (!head) return head.error();
    start.head = std::move(*head);
  }
  if (manifest->features.standardize) {
    const auto bytes = (*files)->open(manifest->features.file);
    if (!bytes) return bytes.error();
    start.features = bytes->text();
  }
  return start;
}

Result<package::Manifest> manifest_of(const Json& json) {
  const std::string text = json.dump(2);
  const auto files = embedded_files({{"package.json", std::as_bytes(std::span(text))}});
  auto manifest = package::read_manifest(*files);
  if (!manifest) return invalid("package: " + manifest.error().what);
  return manifest;
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
// one. `said`: the name in the adapter that the run starts from.
std::string base_name(const scorer::PairEncoder& encoder, const std::string& said) {
  const auto is_name = [](const std::string& name) {
    return !name.empty() && !std::filesystem::path(name).is_absolute();
  };
  if (is_name(said)) return said;
  if (const auto config = checkpoint::read_json_object(encoder.base(), "config.json"))
    if (const auto it = config->find("_name_or_path"); it != config->end() && it->is_string())
      if (const auto name = it->get<std::string>(); is_name(name)) return name;
  return std::filesystem::path(encoder.base().name()).filename().string();
}

// Reads facts about the base: its family's tensor prefix, and how many layers are built.
Status read_base_facts(const scorer::PairEncoder& encoder, PackageForm& form, const AdapterConfig& adapter) {
  const auto shape = scorer::model_shape(encoder);
  if (!shape) return shape.error();
  const auto family = families::find_family(shape->family);
  if (!family) return family.error();
  form.weight_prefix = (*family)->prefix;
  if (!form.json.contains("adapter")) return Ok{};
  Json& config = form.adapter_config;
  if (config.is_null()) config = adapter_config(adapter, "", *shape);
  const Json said = config.value("base_model_name_or_path", Json());
  config["base_model_name_or_path"] = base_name(encoder, said.is_string() ? said.get<std::string>() : "");
  return Ok{};
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

Status make_start(const TrainConfig& config, const Dataset& data, const package::Manifest& manifest,
                  const std::string& folder, ThreadPool& pool, const DataEvents& events, PackageForm& form) {
  auto start = read_start(config);
  if (!start) return start.error();
  form.adapter_config = start->adapter_config;
  if (manifest.features.standardize) form.features = start->features;
  if (manifest.features.standardize && form.features.empty()) {
    auto text = statistics(data, manifest, pool, events);
    if (!text) return text.error();
    form.features = std::move(*text);
  }
  auto base = embedded_base(config);
  if (!base) return base.error();
  PackageForm here = form;
  here.base = *base;
  here.copy_base = false;
  here.adapter_dtype = AdapterDtype::kFp32;
  if (const Status s = write_package(folder, here, {}, {}); !s) return s;
  const auto files = open_directory(folder);
  if (!files) return files.error();
  const auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return encoder.error();
  if (const Status s = read_base_facts(**encoder, form, config.adapter); !s) return s;
  auto tensors = initial_tensors(config, **encoder);
  if (!tensors) return tensors.error();
  if (start->adapter) tensors->adapter = std::move(*start->adapter);
  if (start->head) tensors->head = std::move(*start->head);
  here.weight_prefix = form.weight_prefix;
  here.adapter_config = form.adapter_config;
  if (const Status s = write_package(folder, here, *tensors, {}); !s) return s;
  return start->files ? start->files->intact(Look::kThorough) : Status(Ok{});
}

// Reads back what make_start() found.
Status read_form(const std::string& folder, const package::Manifest& manifest, PackageForm& form) {
  const auto files = open_directory(folder);
  if (!files) return files.error();
  if (manifest.features.standardize) {
    const auto bytes = (*files)->open(manifest.features.file);
    if (!bytes) return bytes.error();
    form.features = bytes->text();
  }
  if (form.json.contains("adapter")) {
    const auto adapter = (*files)->folder(kAdapterFolder);
    if (!adapter) return adapter.error();
    auto json = read_object(**adapter, "adapter_config.json");
    if (!json) return json.error();
    form.adapter_config = std::move(*json);
  }
  return Ok{};
}

// Appends what identifies a row for a run.
void append(const Dataset& data, std::uint32_t example, std::string& text) {
  const IndexEntry& e = data.corpus().entries()[example];
  const Target target = data.target(example);
  text.append(reinterpret_cast<const char*>(&e.key), sizeof e.key);
  text.append(reinterpret_cast<const char*>(target.data()), sizeof target);
}

std::string identity_of(const TrainConfig& config, const Dataset& data) {
  std::string text = to_toml(comparable(config));
  for (const Numbers* side : {&data.train(), &data.valid()})
    for (const std::uint32_t i : *side) append(data, i, text);
  return hex(sha256(text));
}

DataEvents data_events(const PrepareEvents& events, const char* phase) {
  DataEvents out{.progress = {}, .bad_row = events.note, .cancelled = events.cancelled};
  if (events.progress)
    out.progress = [report = events.progress, phase](double share) { report(phase, share); };
  return out;
}

// What the objective needs must be configured.
Status check_objective(const TrainConfig& config) {
  const ObjectiveWeights& o = config.objective;
  if (o.cross_entropy <= 0 && !o.needs_teacher_logits() && o.cosine <= 0)
    return invalid(
        "objective has no weight above 0, expected cross_entropy, distillation, probability_cosine or "
        "cosine");
  if (o.needs_teacher_logits() && config.data.teachers.empty())
    return invalid("objective." + std::string(o.distillation > 0 ? "distillation" : "probability_cosine") +
                   " is set and data.teachers is empty, expected files of trainer label");
  return Ok{};
}

Result<std::shared_ptr<const Dataset>> select_rows(const TrainConfig& config, int classes,
                                                   const RunDirectory& run, const PrepareEvents& events) {
  DataOptions options = config.data.resolved();
  options.classes = classes;
  if (config.objective.cosine > 0) options.embeddings = ReadEmbeddings::kYes;
  return Dataset::open(options, run.path("work"), data_events(events, "reading rows"));
}

// start/ as a package that encodes, and what of it goes into best/.
Status open_start(const std::string& folder, const package::Manifest& manifest, const AdapterConfig& adapter,
                  Prepared& out) {
  if (const Status s = read_form(folder, manifest, out.form); !s) return s;
  const auto files = open_directory(folder);
  if (!files) return files.error();
  auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return encoder.error();
  out.encoder = *encoder;
  return read_base_facts(**encoder, out.form, adapter);
}

Status encode_rows(const TrainConfig& config, const RunDirectory& run, ThreadPool& pool,
                   const PrepareEvents& events, Prepared& out) {
  const auto text = text_side(*out.encoder);
  if (!text) return text.error();
  const StoreOptions store{
      .folder = run.path("work"), .orders = Orders::kBoth, .bad_rows = config.data.bad_rows};
  const auto open = [&](const Numbers& side, const char* phase) {
    return EncodedStore::open(*out.data, side, *text, store, pool, data_events(events, phase));
  };
  auto train = open(out.data->train(), "encoding training rows");
  if (!train) return train.error();
  out.train = std::make_shared<ExampleSet>(out.data, *train, out.classes);
  if (out.data->valid().empty()) return Ok{};
  auto valid = open(out.data->valid(), "encoding validation rows");
  if (!valid) return valid.error();
  out.valid = std::make_shared<ExampleSet>(out.data, *valid, out.classes);
  out.valid_store = *valid;
  return Ok{};
}

}  // namespace

TrainConfig comparable(const TrainConfig& config) {
  TrainConfig same = config;
  same.output.clear();
  same.data.folder.clear();
  same.threads = 0;
  same.watch = {};
  same.watch.evaluate_every = config.watch.evaluate_every;
  return same;
}

std::string rows_text(const TrainConfig& config, const Dataset& data) {
  std::vector<std::string> names = config.data.train, texts;
  names.insert(names.end(), config.data.valid.begin(), config.data.valid.end());
  texts.resize(names.size());
  Json files = Json::array();
  for (const std::string& name : names) files.push_back({{"file", name}, {"train", 0}, {"valid", 0}});
  for (const auto& [side, rows] : {std::pair{"train", &data.train()}, std::pair{"valid", &data.valid()}})
    for (const std::uint32_t i : *rows) {
      const std::size_t file = data.corpus().entries()[i].file;
      files[file][side] = files[file][side].get<std::int64_t>() + 1;
      append(data, i, texts[file]);
    }
  for (std::size_t file = 0; file < texts.size(); ++file) files[file]["sha256"] = hex(sha256(texts[file]));
  return files.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Prepared> prepare(const TrainConfig& config, const RunDirectory& run, const Begin begin, Group& group,
                         ThreadPool& pool, const PrepareEvents& events) {
  if (!group.leads())
    if (const Status s = group.barrier(); !s) return s.error();
  Prepared out;
  auto json = package_json(config);
  if (!json) return json.error();
  out.form.json = std::move(*json);
  out.form.adapter_dtype = config.adapter.dtype;
  out.form.copy_base = config.copy_base && config.method != Method::kFull;
  const auto manifest = manifest_of(out.form.json);
  if (!manifest) return manifest.error();
  if (const Status s = check_objective(config); !s) return s.error();
  out.classes = package::traits(manifest->output()).classes(outputs_of(manifest->adapters.front().head));

  auto data = select_rows(config, out.classes, run, events);
  if (!data) return data.error();
  out.data = *data;
  out.identity = identity_of(config, **data);
  const std::string start = run.path("start");
  if (begin == Begin::kFresh && group.leads())
    if (const Status s = make_start(config, **data, *manifest, start, pool,
                                    data_events(events, "measuring text features"), out.form);
        !s)
      return s.error();
  if (const Status s = open_start(start, *manifest, config.adapter, out); !s) return s.error();
  if (const Status s = encode_rows(config, run, pool, events, out); !s) return s.error();
  if (group.leads())
    if (const Status s = group.barrier(); !s) return s.error();
  return out;
}

}  // namespace preferd::training
