#include "training/run/prepare.h"

#include "base/sha256.h"
#include "model/families/body.h"
#include "training/config/load.h"
#include "training/model/huggingface.h"
#include "training/objective/objective.h"
#include "training/run/start_package.h"

namespace preferd::training {
namespace {

std::int64_t outputs_of(const package::HeadSpec& head) {
  std::int64_t out = 0;
  for (const package::HeadLayer& l : head.layers)
    if (l.type == package::HeadLayer::Type::kLinear) out = l.out;
  return out;
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
Status check_objective(const TrainConfig& config, package::Output output) {
  const ObjectiveWeights& o = config.objective;
  if (o.cross_entropy <= 0 && !o.needs_teacher_logits() && o.cosine <= 0)
    return invalid(
        "objective has no weight above 0, expected cross_entropy, distillation, probability_cosine or "
        "cosine");
  if (o.needs_teacher_logits() && config.data.teachers.empty())
    return invalid("objective." + std::string(o.distillation > 0 ? "distillation" : "probability_cosine") +
                   " is set and data.teachers is empty, expected files of trainer label");
  if (o.center > 0 && !package::traits(output).scores_each_response())
    return invalid("objective.center is set and head.output is " + std::string(word_of(output)) +
                   ", expected difference or token_reward, which score each response");
  return Ok{};
}

Result<std::shared_ptr<const Dataset>> select_rows(const TrainConfig& config, int classes,
                                                   const RunDirectory& run, const PrepareEvents& events) {
  DataOptions options = config.data.resolved();
  options.classes = classes;
  if (config.objective.cosine > 0) options.embeddings = ReadEmbeddings::kYes;
  return Dataset::open(options, run.path("work"), data_events(events, "reading rows"));
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
  same.huggingface = false;
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
  out.form.stored_base = config.method == Method::kFull ? StoredBase::kTrained
                         : config.copy_base             ? StoredBase::kCopied
                                                        : StoredBase::kNone;
  const auto manifest = package::parse_manifest(out.form.json);
  if (!manifest) return invalid("package: " + manifest.error().what);
  if (const Status s = check_objective(config, manifest->output()); !s) return s.error();
  out.classes = package::traits(manifest->output()).classes(outputs_of(manifest->adapters.front().head));

  auto data = select_rows(config, out.classes, run, events);
  if (!data) return data.error();
  out.data = *data;
  out.identity = identity_of(config, **data);
  const std::string start = run.path("start");
  const Status form = begin == Begin::kFresh && group.leads()
                          ? make_start(config, **data, *manifest, start, pool,
                                       data_events(events, "measuring text features"), out.form)
                          : read_start(start, *manifest, out.form);
  if (!form) return form.error();
  const auto files = open_directory(start);
  if (!files) return files.error();
  auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return encoder.error();
  out.encoder = *encoder;
  out.form.weight_prefix = out.encoder->family().prefix;
  if (config.huggingface)
    if (const Status s = check_huggingface(config.method, *manifest, out.encoder->family()); !s)
      return s.error();
  if (const Status s = encode_rows(config, run, pool, events, out); !s) return s.error();
  if (group.leads())
    if (const Status s = group.barrier(); !s) return s.error();
  return out;
}

}  // namespace preferd::training
