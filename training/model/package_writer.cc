#include "training/model/package_writer.h"

#include "base/check.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/convert/base_files.h"

namespace preferd::training {
namespace {

constexpr const char *kBaseFolder = "base", *kGoldenFile = "golden.jsonl", *kManifestFile = "package.json";

checkpoint::StoredTensor narrowed(const checkpoint::StoredTensor& tensor) {
  const auto count = static_cast<std::size_t>(tensor.elements());
  std::vector<float> values(count);
  quant::widen(tensor.dtype, tensor.bytes.data(), count, values.data());
  auto owner = std::make_shared<std::vector<std::uint16_t>>(count);
  for (std::size_t i = 0; i < count; ++i) (*owner)[i] = quant::to_bf16(values[i]);
  return {quant::DType::kBF16, tensor.shape, std::as_bytes(std::span(*owner)), owner};
}

Status write_files(const Files& files, AtomicFolder& folder) {
  for (const std::string& name : files.list("")) {
    const auto bytes = files.open(name);
    if (!bytes) return bytes.error();
    if (const Status s = folder.write(std::string(kBaseFolder) + "/" + name, bytes->text()); !s) return s;
  }
  return Ok{};
}

Status write_base(const PackageForm& form, const PackageTensors& tensors, AtomicFolder& folder) {
  PREFERD_CHECK(tensors.base.empty() || form.stored_base == StoredBase::kTrained);
  if (form.stored_base == StoredBase::kNone) return Ok{};
  if (form.base) return write_files(*form.base, folder);
  const bool copied = form.stored_base == StoredBase::kCopied;
  const auto from = form.json["base"]["path"].get<std::string>();
  const convert::BaseFiles which = copied ? convert::BaseFiles::kAll : convert::BaseFiles::kWithoutWeights;
  if (const Status s = convert::copy_base_files(from, which, {}, folder, kBaseFolder); !s) return s;
  if (copied) return Ok{};
  checkpoint::TensorMap named;
  for (const auto& [name, tensor] : tensors.base)
    named[name.starts_with("lm_head") ? name : form.weight_prefix + name] = tensor;
  return folder.write(std::string(kBaseFolder) + "/model.safetensors",
                      checkpoint::safetensors_text(named, {{"format", "pt"}}));
}

Status write_adapter(const PackageForm& form, const PackageTensors& tensors, AtomicFolder& folder) {
  if (tensors.adapter.empty()) return Ok{};
  checkpoint::TensorMap adapter = tensors.adapter;
  if (form.adapter_dtype == AdapterDtype::kBf16)
    for (auto& [name, tensor] : adapter) tensor = narrowed(tensor);
  const std::string at = std::string(kAdapterFolder) + "/";
  const std::string bytes = checkpoint::safetensors_text(adapter, {{"format", "pt"}});
  if (const Status s = folder.write(at + "adapter_model.safetensors", bytes); !s) return s;
  return folder.write(at + "adapter_config.json", form.adapter_config.dump(2) + "\n");
}

std::string manifest_text(const PackageForm& form, const Finish& finish) {
  Json json = form.json;
  if (form.stored_base != StoredBase::kNone) json["base"]["path"] = kBaseFolder;
  if (finish.temperature != 1) json["calibration"] = {{"temperature", finish.temperature}};
  if (!finish.golden.empty()) json["golden"] = kGoldenFile;
  return json.dump(2) + "\n";
}

}  // namespace

Status write_package(const std::string& target, const PackageForm& form, const PackageTensors& tensors) {
  auto folder = AtomicFolder::create(target);
  if (!folder) return folder.error();
  if (const Status s = write_base(form, tensors, *folder); !s) return s;
  if (const Status s = write_adapter(form, tensors, *folder); !s) return s;
  if (!tensors.head.empty())
    if (const Status s = folder->write(kHeadFile, checkpoint::safetensors_text(tensors.head)); !s) return s;
  if (!form.features.empty())
    if (const Status s = folder->write(form.json["features"].value("file", kFeaturesFile), form.features); !s)
      return s;
  if (!form.chat_template.empty())
    if (const Status s = folder->write(kTemplateFile, form.chat_template); !s) return s;
  if (const Status s = folder->write(kManifestFile, manifest_text(form, {})); !s) return s;
  return folder->commit();
}

Status finish_package(const std::string& target, const PackageForm& form, const Finish& finish) {
  const std::string at = target + "/";
  if (!finish.golden.empty())
    if (const Status s = write_file_atomically(at + kGoldenFile, finish.golden); !s) return s;
  return write_file_atomically(at + kManifestFile, manifest_text(form, finish));
}

}  // namespace preferd::training
