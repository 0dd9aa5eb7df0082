#include "model/scorer/inspect.h"

#include <algorithm>

#include "model/scorer/adapted_model.h"

namespace preferd {
namespace {

Status add_file(const Files& files, const std::string& path, const std::string& shown, Inspection& out) {
  const auto tensors = read_safetensors(files, path);
  if (!tensors) return tensors.error();
  for (const auto& [name, t] : *tensors) {
    out.tensors.push_back({shown, name, quant::name_of(t.dtype), shape_text(t.shape), t.bytes.size()});
    out.weight_bytes += t.bytes.size();
  }
  return Ok{};
}

}  // namespace

Result<Inspection> inspect_package(const Encoder& encoder) {
  const auto shape = model_shape(encoder);
  if (!shape) return shape.error();
  Inspection out;
  out.family = shape->family;
  out.layers = shape->layers;
  out.all_layers = shape->all_layers;
  for (const Declared& d : shape->tensors) {
    std::int64_t n = 1;
    for (const std::int64_t s : d.shape) n *= s;
    out.parameters += n;
  }
  const Files& base = encoder.base();
  for (const std::string& file : base.list(""))
    if (file.ends_with(".safetensors"))
      if (const Status s = add_file(base, file, "base/" + file, out); !s) return s.error();
  const Manifest& m = encoder.manifest();
  std::vector<std::string> files;
  for (const AdapterSpec& a : m.adapters) {
    if (a.path) files.push_back(*a.path + "/adapter_model.safetensors");
    if (a.head.file) files.push_back(*a.head.file);
  }
  if (m.features.standardize) files.push_back(m.features.file);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (const std::string& file : files)
    if (const Status s = add_file(encoder.package(), file, file, out); !s) return s.error();
  out.activation_bytes = shape->activation_bytes;
  return out;
}

}  // namespace preferd
