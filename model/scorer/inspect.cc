#include "model/scorer/inspect.h"

#include <algorithm>
#include <set>

#include "model/checkpoint/bitsandbytes_layout.h"
#include "model/checkpoint/names.h"
#include "model/scorer/adapter_files.h"
#include "model/scorer/model_shape.h"
#include "model/scorer/package_head.h"

namespace preferd::scorer {
namespace {

void add_rows(const checkpoint::TensorMap& tensors, const std::string& shown, Inspection& out) {
  for (const auto& [name, t] : tensors)
    out.tensors.push_back(
        {shown, name, quant::name_of(t.dtype), checkpoint::shape_text(t.shape), t.bytes.size()});
}

Status add_file(const Files& files, const std::string& path, Inspection& out) {
  const auto tensors = checkpoint::read_safetensors(files, path);
  if (!tensors) return tensors.error();
  add_rows(*tensors, path, out);
  for (const auto& [name, t] : *tensors) out.weight_bytes += t.bytes.size();
  return Ok{};
}

// How a dense weight will be stored in memory; kNone: as in the file.
checkpoint::Quantization held_as(const checkpoint::Declared& d, const checkpoint::Quantization& package,
                                 bool prequantized) {
  checkpoint::Quantization form = package;
  using Scheme = checkpoint::Quantization::Scheme;
  const std::string module = d.name.substr(0, d.name.rfind('.'));
  if (d.role == checkpoint::Role::kEmbedding)
    form.scheme = form.embeddings == checkpoint::Quantization::Embeddings::kNf4       ? Scheme::kNf4
                  : form.embeddings == checkpoint::Quantization::Embeddings::kInt8Row ? Scheme::kInt8
                                                                                      : Scheme::kNone;
  else if (d.role != checkpoint::Role::kLinear || prequantized || checkpoint::skipped(form.skip, module))
    form.scheme = Scheme::kNone;
  return form;
}

std::size_t bytes_of(const checkpoint::Declared& d, const checkpoint::Quantization& form) {
  std::size_t bytes = 0;
  for (const checkpoint::PlannedTensor& part : checkpoint::planned_parts(d, d.name, form)) {
    if (part.length == checkpoint::PlannedTensor::Length::kAtMost) continue;
    std::size_t size = quant::size_of(part.dtype);
    for (const std::int64_t n : part.shape) size *= static_cast<std::size_t>(n);
    bytes += size;
  }
  return bytes;
}

// Compares the base's tensors, by name and shape, with what the family reads, and adds up the memory they
// need.
Status account_base(const PairEncoder& encoder, const ModelShape& shape, Inspection& out) {
  const auto tensors = checkpoint::read_checkpoint(encoder.base());
  if (!tensors) return tensors.error();
  add_rows(*tensors, "base", out);
  const checkpoint::BareNames bare(*tensors, shape.prefix);
  std::map<std::string, std::size_t> parts;  // weight -> bytes of its components
  bool prequantized = shape.prequantized;
  std::set<std::string> unread;
  for (const auto& [name, t] : *tensors) {
    const auto [weight, part] = checkpoint::split_component(bare(name));
    if (part.empty()) unread.insert(bare(name));
    if (!part.empty()) parts[weight] += t.bytes.size();
    prequantized = prequantized || part.starts_with("quant_state.") ||
                   (part == "SCB" && weight.find("embed") == std::string::npos);
  }
  for (const auto& [weight, bytes] : parts) unread.insert(weight);
  std::vector<std::string> missing, wrong, strays;
  for (const checkpoint::Declared& d : shape.tensors) {
    auto it = tensors->find(d.name);
    if (it == tensors->end()) it = tensors->find(bare.strip + d.name);
    if (it == tensors->end()) {
      missing.push_back(d.name);
      continue;
    }
    unread.erase(d.name);
    const auto quantized = parts.find(d.name);
    const checkpoint::Quantization form = held_as(d, encoder.manifest().quantization, prequantized);
    if (quantized != parts.end()) {
      out.weight_bytes += it->second.bytes.size() + quantized->second;
    } else if (it->second.shape != d.shape) {
      wrong.push_back(d.name + " is " + checkpoint::shape_text(it->second.shape) + ", expected " +
                      checkpoint::shape_text(d.shape));
    } else if (form.scheme != checkpoint::Quantization::Scheme::kNone) {
      out.weight_bytes += bytes_of(d, form);
      out.made_bytes += bytes_of(d, form);
    } else {
      out.weight_bytes += it->second.bytes.size();
    }
  }
  for (const std::string& name : unread)
    if (!checkpoint::may_stay_unread(name, static_cast<int>(shape.layers),
                                     static_cast<int>(shape.all_layers)))
      strays.push_back(name);
  const std::string where = encoder.base().name() + ": ";
  if (!missing.empty()) return invalid(where + "missing tensors: " + checkpoint::list_of(missing));
  if (!wrong.empty()) return invalid(where + checkpoint::list_of(wrong));
  if (!strays.empty())
    return invalid(where + "tensors that no part of " + shape.family +
                   " reads: " + checkpoint::list_of(strays));
  return Ok{};
}

// An adapter's tensors and those of its head, treated as loading treats them.
Status account_adapter(const PairEncoder& encoder, const ModelShape& shape,
                       const package::AdapterSpec& spec) {
  checkpoint::TensorMap head;
  std::string folder;
  if (spec.path) {
    auto adapter = read_adapter(encoder, shape, spec);
    if (!adapter) return adapter.error();
    folder = adapter->folder;
    head = std::move(adapter->peft.head);
  }
  if (!package::traits(spec.head.output).reads_lm_head()) {
    const auto made = make_head(encoder, spec.head, std::move(head), folder, shape.width);
    return made ? Status(Ok{}) : Status(made.error());
  }
  if (head.empty()) return Ok{};
  return invalid(std::string("package.json: ") + word_of(spec.head.output) + " takes no head, " + folder +
                 " holds one");
}

Result<Inspection> inspected(const PairEncoder& encoder) {
  const auto shape = model_shape(encoder);
  if (!shape) return shape.error();
  Inspection out;
  out.family = shape->family;
  out.layers = shape->layers;
  out.all_layers = shape->all_layers;
  for (const checkpoint::Declared& d : shape->tensors) {
    std::int64_t n = 1;
    for (const std::int64_t s : d.shape) n *= s;
    out.parameters += n;
  }
  if (const Status s = account_base(encoder, *shape, out); !s) return s.error();
  const package::Manifest& m = encoder.manifest();
  for (const package::AdapterSpec& a : m.adapters)
    if (const Status s = account_adapter(encoder, *shape, a); !s) return s.error();
  std::vector<std::string> files;
  for (const package::AdapterSpec& a : m.adapters) {
    if (a.path) files.push_back(*a.path + "/adapter_model.safetensors");
    if (a.head.file) files.push_back(*a.head.file);
  }
  if (m.features.standardize) files.push_back(m.features.file);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (const std::string& file : files)
    if (const Status s = add_file(encoder.package(), file, out); !s) return s.error();
  out.activation_bytes = shape->activation_bytes;
  return out;
}

}  // namespace

Result<Inspection> inspect_package(const PairEncoder& encoder) {
  return if_intact(encoder, inspected(encoder));
}

}  // namespace preferd::scorer
