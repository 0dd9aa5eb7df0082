#include "training/run/finish.h"

#include "model/scorer/load.h"
#include "training/run/golden_pairs.h"
#include "training/run/score_examples.h"

namespace preferd::training {
namespace {

Result<PackageTensors> read_tensors(const std::string& folder, const PackageForm& form) {
  PackageTensors tensors;
  const auto files = open_directory(folder);
  if (!files) return files.error();
  const auto read = [&](const std::string& name, TensorMap& into) -> Status {
    if (!(*files)->exists(name)) return Ok{};
    auto found = read_safetensors(**files, name);
    if (!found) return found.error();
    into = std::move(*found);
    return Ok{};
  };
  if (const Status s = read(std::string(kAdapterFolder) + "/adapter_model.safetensors", tensors.adapter); !s)
    return s.error();
  if (const Status s = read(kHeadFile, tensors.head); !s) return s.error();
  if (form.json.contains("adapter") || !(*files)->exists("base/model.safetensors") || form.copy_base)
    return tensors;
  TensorMap base;
  if (const Status s = read("base/model.safetensors", base); !s) return s.error();
  for (auto& [name, tensor] : base)
    tensors.base[name.starts_with(form.weight_prefix) ? name.substr(form.weight_prefix.size()) : name] =
        std::move(tensor);
  return tensors;
}

}  // namespace

Status finish(const TrainConfig& config, const RunDirectory& run, const Prepared& prepared, int threads,
              const TrainEvents& events) {
  const std::string best = run.path("best");
  const auto files = open_directory(best);
  if (!files) return files.error();
  auto scorer =
      load_scorer(*files, {.threads = threads, .compute = ComputeType::kFp32, .golden = Golden::kSkip});
  if (!scorer) return scorer.error();
  const EncodedStore& store = *prepared.valid_store;
  const auto scored = score_examples(**scorer, *prepared.data, store, [&](double share) {
    if (events.progress) events.progress("scoring", share);
  });
  if (!scored) return scored.error();
  Finish end;
  auto golden = golden_text(*prepared.data, store, *scored, static_cast<std::size_t>(config.watch.golden));
  if (!golden) return golden.error();
  end.golden = std::move(*golden);
  auto tensors = read_tensors(best, prepared.form);
  if (!tensors) return tensors.error();
  return write_package(best, prepared.form, *tensors, end);
}

}  // namespace preferd::training
