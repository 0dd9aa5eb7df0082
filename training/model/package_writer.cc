#include "training/model/package_writer.h"

#include "model/checkpoint/safetensors_writer.h"
#include "model/convert/base_files.h"

namespace preferd::training {
namespace {

constexpr const char* kBaseFolder = "base";

checkpoint::StoredTensor narrowed(const checkpoint::StoredTensor& tensor) {
  const auto count = static_cast<std::size_t>(tensor.elements());
  std::vector<float> values(count);
  quant::widen(tensor.dtype, tensor.bytes.data(), count, values.data());
  auto owner = std::make_shared<std::vector<std::uint16_t>>(count);
  for (std::size_t i = 0; i < count; ++i) (*owner)[i] = quant::to_bf16(values[i]);
  return {quant::DType::kBF16, tensor.shape, std::as_bytes(std::span(*owner)), owner};
}

Status write_files(const Files& files, Json& json, AtomicFolder& folder) {
  for (const std::string& name : files.list("")) {
    const auto bytes = files.open(name);
    if (!bytes) return bytes.error();
    if (const Status s = folder.write(std::string(kBaseFolder) + "/" + name, bytes->text()); !s) return s;
  }
  json["base"]["path"] = kBaseFolder;
  return Ok{};
}

Status write_base(const PackageForm& form, const PackageTensors& tensors, Json& json, AtomicFolder& folder) {
  if (form.base) return write_files(*form.base, json, folder);
  if (tensors.base.empty() && !form.copy_base) return Ok{};
  const auto from = json["base"]["path"].get<std::string>();
  const convert::BaseFiles which =
      tensors.base.empty() ? convert::BaseFiles::kAll : convert::BaseFiles::kWithoutWeights;
  if (const Status s = convert::copy_base_files(from, which, {}, folder, kBaseFolder); !s) return s;
  json["base"]["path"] = kBaseFolder;
  if (tensors.base.empty()) return Ok{};
  checkpoint::TensorMap named;
  for (const auto& [name, tensor] : tensors.base)
    named[name.starts_with("lm_head") ? name : form.weight_prefix + name] = tensor;
  return folder.write(std::string(kBaseFolder) + "/model.safetensors",
                      checkpoint::safetensors_text(named, {{"format", "pt"}}));
}

}  // namespace

Status write_package(const std::string& target, const PackageForm& form, const PackageTensors& tensors,
                     const Finish& finish) {
  auto folder = AtomicFolder::create(target);
  if (!folder) return folder.error();
  Json json = form.json;
  if (const Status s = write_base(form, tensors, json, *folder); !s) return s;
  if (!tensors.adapter.empty()) {
    checkpoint::TensorMap adapter = tensors.adapter;
    if (form.adapter_dtype == AdapterDtype::kBf16)
      for (auto& [name, tensor] : adapter) tensor = narrowed(tensor);
    const std::string at = std::string(kAdapterFolder) + "/";
    if (const Status s = folder->write(at + "adapter_model.safetensors",
                                       checkpoint::safetensors_text(adapter, {{"format", "pt"}}));
        !s)
      return s;
    if (const Status s = folder->write(at + "adapter_config.json", form.adapter_config.dump(2) + "\n"); !s)
      return s;
  }
  if (!tensors.head.empty())
    if (const Status s = folder->write(kHeadFile, checkpoint::safetensors_text(tensors.head)); !s) return s;
  if (!form.features.empty())
    if (const Status s = folder->write(json["features"].value("file", kFeaturesFile), form.features); !s)
      return s;
  if (finish.temperature != 1) json["calibration"] = {{"temperature", finish.temperature}};
  if (!finish.golden.empty()) {
    json["golden"] = "golden.jsonl";
    if (const Status s = folder->write("golden.jsonl", finish.golden); !s) return s;
  }
  if (const Status s = folder->write("package.json", json.dump(2) + "\n"); !s) return s;
  return folder->commit();
}

}  // namespace preferd::training
