// A Hugging Face checkpoint as a weight source. Three kinds of base, told by config.json and the tensors:
//   dense          floats; linears are quantized here when the package asks for it, with bitsandbytes' bytes
//   4-bit files    X.weight (packed codes) + X.weight.{absmax, quant_map, nested_absmax, nested_quant_map,
//                  quant_state.bitsandbytes__nf4|fp4}; what is dense in such a base stays dense
//   int8 files     X.weight (int8) + X.SCB [+ X.weight_format = 0]
#include <algorithm>
#include <cmath>
#include <cstring>
#include <regex>

#include "base/json.h"
#include "model/checkpoint/fields.h"
#include "model/checkpoint/names.h"
#include "model/checkpoint/weights.h"
#include "model/quant/block4.h"
#include "model/quant/int8_row.h"

namespace preferd::checkpoint {
namespace {

using quant::DType;
using quant::Matrix;

// A pointer to the floats of a stored tensor; copies when they are unaligned or of another type.
struct Floats {
  const float* data = nullptr;
  std::shared_ptr<const void> owner;
  bool finite = true;
};

Floats floats_of(const StoredTensor& t) {
  Floats f{nullptr, t.owner, all_finite(t)};
  if (t.dtype == DType::kF32 && reinterpret_cast<std::uintptr_t>(t.bytes.data()) % alignof(float) == 0) {
    f.data = reinterpret_cast<const float*>(t.bytes.data());
    return f;
  }
  auto copy = std::make_shared<std::vector<float>>(static_cast<std::size_t>(t.elements()));
  quant::widen(t.dtype, t.bytes.data(), copy->size(), copy->data());
  f.data = copy->data();
  f.owner = copy;
  return f;
}

using Owners = std::vector<std::shared_ptr<const void>>;

// A matrix without elements behind it.
Matrix shaped(const std::vector<std::int64_t>& shape) {
  return {shape.size() == 1 ? 1 : shape[0], shape.back(), quant::Dense{}, nullptr};
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// What a quant_state says of a weight in 4-bit blocks.
struct Block4State {
  std::string type;  // "nf4" or "fp4"
  std::int64_t block = 0, nested_block = 256;
  DType dtype = DType::kBF16;
  bool nested = false;
  double offset = 0;
};

// Errors end the sentence that begins with the weight's name.
Result<Block4State> read_block4_state(const Declared& wanted, const StoredTensor& tensor,
                                      const std::map<std::string, StoredTensor>& parts) {
  std::string state_name;
  for (const auto& [part, t] : parts)
    if (part.starts_with("quant_state.")) {
      if (!state_name.empty()) return invalid("has two quantization states");
      state_name = part;
    }
  if (tensor.dtype == DType::kI8) return invalid("is int8 and its SCB is missing");
  if (state_name.empty() || !parts.contains("absmax") || !parts.contains("quant_map"))
    return invalid("lacks a component of its quantization state (absmax, quant_map, quant_state)");
  const StoredTensor& packed = parts.at(state_name);
  const std::string_view text(reinterpret_cast<const char*>(packed.bytes.data()), packed.bytes.size());
  const auto json = parse_json(text, {.max_bytes = 65536});
  if (!json || !json->is_object()) return invalid("has a quantization state that is no JSON object");

  Block4State out;
  Fields state(*json, wanted.name + ".quant_state");
  out.type = state.text("quant_type");
  out.block = state.integer("blocksize", 32, 4096);
  const auto dtype = quant::parse_torch_dtype(state.text("dtype"));
  out.nested = parts.contains("nested_absmax") || json->contains("nested_offset");
  if (out.nested) {
    out.nested_block = state.integer("nested_blocksize", 1, 1 << 20);
    out.offset = state.number("nested_offset");
  }
  if (const Status read = state.status(); !read)
    return invalid("has a bad quantization state: " + read.error().what);
  for (const auto& [key, value] : json->items())
    if (key != "quant_type" && key != "blocksize" && key != "dtype" && key != "shape" &&
        key != "nested_blocksize" && key != "nested_dtype" && key != "nested_offset")
      return invalid("has an unknown key in its quantization state: " + key);
  if (!dtype || state_name != "quant_state.bitsandbytes__" + out.type ||
      (out.type != "nf4" && out.type != "fp4"))
    return invalid("has a bad quantization state: quant_type '" + out.type + "' or its dtype is not known");
  if (!json->contains("shape") || (*json)["shape"] != Json(wanted.shape))
    return invalid("says another shape in its quantization state, expected " + shape_text(wanted.shape));
  out.dtype = *dtype;
  return out;
}

}  // namespace

std::pair<std::string, std::string> split_component(const std::string& name) {
  const std::size_t state = name.find(".weight.quant_state.");
  if (state != std::string::npos) return {name.substr(0, state + 7), name.substr(state + 8)};
  for (const char* part : {"absmax", "quant_map", "nested_absmax", "nested_quant_map"}) {
    const std::string suffix = std::string(".weight.") + part;
    if (name.ends_with(suffix)) return {name.substr(0, name.size() - std::strlen(part) - 1), part};
  }
  for (const char* part : {"SCB", "weight_format"})
    if (name.ends_with(std::string(".") + part))
      return {name.substr(0, name.size() - std::strlen(part)) + "weight", part};
  return {};
}

bool skipped(const std::vector<std::string>& skip, const std::string& module) {
  return std::any_of(skip.begin(), skip.end(), [&](const std::string& s) {
    return module == s || module.ends_with("." + s) || module.starts_with(s + ".");
  });
}

BareNames::BareNames(const TensorMap& tensors, const std::string& prefix) {
  for (const std::string& known : {prefix, std::string(kWrapped)}) {
    const auto has = [&](const auto& entry) { return entry.first.starts_with(known); };
    if (known.empty() || !std::any_of(tensors.begin(), tensors.end(), has)) continue;
    strip = known;
    return;
  }
}

std::string BareNames::operator()(const std::string& name) const {
  return name.starts_with(strip) ? name.substr(strip.size()) : name;
}

bool may_stay_unread(const std::string& name, int first_cut, int all_layers) {
  static const std::regex known(
      R"((lm_head\.|output\.|embed_out\.|decoder\.|head\.dense\.|head\.norm\.|cls\.|lm_predictions\.|mask_predictions\.|embeddings\.position_embeddings\.).*|.*rotary_emb\.inv_freq|layers\.\d+\.attention\.(masked_)?bias|.*position_ids)");
  static const std::regex layer(R"((?:encoder\.)?(?:layers?|lstm)\.(\d{1,6})\..*)");
  std::smatch match;
  if (is_of_head(name) || std::regex_match(name, known)) return true;
  if (!std::regex_match(name, match, layer)) return false;
  const int number = std::stoi(match[1]);
  return number >= first_cut && number < all_layers;
}

Result<std::shared_ptr<BaseWeights>> BaseWeights::open(const Files& folder, const Quantization& quantization,
                                                       const std::string& prefix, bool prequantized) {
  auto tensors = read_checkpoint(folder);
  if (!tensors) return tensors.error();
  auto self = std::make_shared<BaseWeights>();
  self->where_ = folder.name();
  self->quantization_ = quantization;
  self->prequantized_ = prequantized;
  const BareNames bare_name(*tensors, prefix);
  for (auto& [name, tensor] : *tensors) {
    const std::string bare = bare_name(name);
    const auto [owner, part] = split_component(bare);
    if (part.empty()) {
      if (!self->tensors_.emplace(bare, std::move(tensor)).second)
        return invalid(self->where_ + ": tensor " + bare + " is there with and without the prefix " + prefix);
      continue;
    }
    if (part.starts_with("quant_state.") || (part == "SCB" && bare.find("embed") == std::string::npos))
      self->prequantized_ = true;
    self->parts_[owner][part] = std::move(tensor);
  }
  if (self->prequantized_ && quantization.scheme == Quantization::Scheme::kNone)
    return invalid(self->where_ + ": the files are already quantized, package.json says scheme none");
  return self;
}

bool BaseWeights::has(const std::string& name) const {
  return tensors_.contains(name) || ready_.contains(name);
}

Matrix BaseWeights::get(const Declared& wanted) {
  const auto done = ready_.find(wanted.name);
  if (done != ready_.end()) return done->second;
  return ready_.emplace(wanted.name, load(wanted)).first->second;
}

Matrix BaseWeights::load(const Declared& wanted) {
  const auto empty = [&]() -> Matrix { return shaped(wanted.shape); };
  const auto it = tensors_.find(wanted.name);
  if (it == tensors_.end()) {
    problem("missing tensor " + wanted.name);
    return empty();
  }
  const StoredTensor tensor = std::move(it->second);
  tensors_.erase(it);
  const auto parts = parts_.find(wanted.name);
  const auto fail = [&](const std::string& why) {
    problem(wanted.name + " " + why);
    return empty();
  };
  if (parts != parts_.end()) {
    auto components = std::move(parts->second);
    parts_.erase(parts);
    return stored(wanted, tensor, components);
  }
  if (!quant::is_floating(tensor.dtype))
    return fail(std::string("is ") + quant::name_of(tensor.dtype) + " and has no quantization state");
  if (tensor.shape != wanted.shape)
    return fail("is " + shape_text(tensor.shape) + ", expected " + shape_text(wanted.shape));
  if (!all_finite(tensor)) return fail("holds NaN or infinity");
  const Matrix dense = dense_matrix(tensor);
  if (wanted.role == Role::kEmbedding) {
    if (quantization_.embeddings == Quantization::Embeddings::kNf4)
      return quant::encode_block4(
          dense, quant::Code4::kNf4, quantization_.block_size,
          quantization_.double_quant ? quant::ScaleForm::kDouble : quant::ScaleForm::kFloat);
    if (quantization_.embeddings == Quantization::Embeddings::kInt8Row)
      return quant::encode_int8_row(dense, quant::Int8Source::kAsStored);
    return dense;
  }
  const std::string module = wanted.name.substr(0, wanted.name.rfind('.'));
  if (wanted.role != Role::kLinear || prequantized_ || skipped(quantization_.skip, module)) return dense;
  return quantized_now(dense);
}

Matrix BaseWeights::quantized_now(const Matrix& dense) const {
  const auto scales = quantization_.double_quant ? quant::ScaleForm::kDouble : quant::ScaleForm::kFloat;
  switch (quantization_.scheme) {
    case Quantization::Scheme::kNone: return dense;
    case Quantization::Scheme::kNf4:
      return quant::encode_block4(dense, quant::Code4::kNf4, quantization_.block_size, scales);
    case Quantization::Scheme::kFp4:
      return quant::encode_block4(dense, quant::Code4::kFp4, quantization_.block_size, scales);
    case Quantization::Scheme::kInt8: return quant::encode_int8_row(dense, quant::Int8Source::kThroughFp16);
  }
  return dense;
}

Matrix BaseWeights::stored(const Declared& wanted, const StoredTensor& tensor,
                           std::map<std::string, StoredTensor>& parts) {
  if (wanted.role == Role::kEmbedding) {
    const bool int8 = parts.contains("SCB");
    const auto said = quantization_.embeddings;
    const bool agrees = said == (int8 ? Quantization::Embeddings::kInt8Row : Quantization::Embeddings::kNf4);
    if (!agrees) {
      problem(wanted.name + " is stored as " + (int8 ? "int8" : "4-bit blocks") +
              ", package.json's quantization.embeddings says otherwise");
      return {wanted.shape[0], wanted.shape[1], quant::Dense{}, nullptr};
    }
  }
  return parts.contains("SCB") ? stored_int8(wanted, tensor, parts) : stored_block4(wanted, tensor, parts);
}

Matrix BaseWeights::stored_int8(const Declared& wanted, const StoredTensor& tensor,
                                std::map<std::string, StoredTensor>& parts) {
  const auto fail = [&](const std::string& why) -> Matrix {
    problem(wanted.name + " " + why);
    return {wanted.shape[0], wanted.shape.back(), quant::Dense{}, nullptr};
  };
  if (wanted.role == Role::kPlain || wanted.shape.size() != 2) return fail("is int8, expected floats");
  if (quantization_.scheme != Quantization::Scheme::kInt8 && wanted.role != Role::kEmbedding)
    return fail(std::string("is int8, package.json says scheme ") + word_of(quantization_.scheme));
  const StoredTensor& scb = parts["SCB"];
  if (tensor.dtype != DType::kI8 || tensor.shape != wanted.shape || !quant::is_floating(scb.dtype) ||
      scb.elements() != wanted.shape[0])
    return fail("is not int8 " + shape_text(wanted.shape) + " with one SCB a row");
  if (const auto format = parts.find("weight_format"); format != parts.end())
    for (const std::byte b : format->second.bytes)
      if (b != std::byte{0}) return fail("has a weight_format other than row");
  const Floats scale = floats_of(scb);
  if (!scale.finite) return fail("has a scale that is NaN or infinite");
  auto owners = std::make_shared<Owners>(Owners{tensor.owner, scale.owner});
  return {wanted.shape[0], wanted.shape[1],
          quant::Int8Row{reinterpret_cast<const std::int8_t*>(tensor.bytes.data()), scale.data}, owners};
}

Matrix BaseWeights::stored_block4(const Declared& wanted, const StoredTensor& tensor,
                                  std::map<std::string, StoredTensor>& parts) {
  const auto fail = [&](const std::string& why) -> Matrix {
    problem(wanted.name + " " + why);
    return shaped(wanted.shape);
  };
  if (wanted.role == Role::kPlain || wanted.shape.size() != 2)
    return fail("is in 4-bit blocks, expected floats");
  const auto state = read_block4_state(wanted, tensor, parts);
  if (!state) return fail(state.error().what);
  const auto& [type, block, nested_block, dtype, nested, offset] = *state;

  const std::string scheme = wanted.role == Role::kEmbedding ? "nf4" : word_of(quantization_.scheme);
  if (type != scheme || nested != quantization_.double_quant || block != quantization_.block_size)
    return fail("is " + type + (nested ? " with" : " without") + " double quantization in blocks of " +
                std::to_string(block) + ", package.json says " + scheme +
                (quantization_.double_quant ? " with" : " without") + " double quantization in blocks of " +
                std::to_string(quantization_.block_size));

  const std::int64_t n = wanted.shape[0] * wanted.shape[1], blocks = ceil_div(n, block);
  const StoredTensor& absmax = parts["absmax"];
  if (static_cast<std::int64_t>(tensor.bytes.size()) != (n + 1) / 2 || absmax.elements() != blocks)
    return fail("has " + std::to_string(tensor.bytes.size()) + " bytes and " +
                std::to_string(absmax.elements()) + " blocks for shape " + shape_text(wanted.shape));
  const StoredTensor& map = parts["quant_map"];
  if (!quant::is_floating(map.dtype) || map.elements() != 16)
    return fail("has a quant_map that is not 16 floats");

  quant::Block4 form;
  form.codes = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data());
  form.block = static_cast<int>(block);
  form.dtype = dtype;
  quant::widen(map.dtype, map.bytes.data(), 16, form.code.data());
  auto owners = std::make_shared<Owners>(Owners{tensor.owner});
  bool finite = all_finite(map);
  const auto keep = [&](const StoredTensor& t) {
    const Floats f = floats_of(t);
    owners->push_back(f.owner);
    finite = finite && f.finite;
    return f.data;
  };
  if (nested) {
    const auto nested_absmax = parts.find("nested_absmax"), nested_map = parts.find("nested_quant_map");
    if (absmax.dtype != DType::kU8 || nested_absmax == parts.end() || nested_map == parts.end() ||
        !quant::is_floating(nested_absmax->second.dtype) || !quant::is_floating(nested_map->second.dtype) ||
        nested_absmax->second.elements() != ceil_div(blocks, nested_block) ||
        nested_map->second.elements() != 256)
      return fail("has incomplete double quantization (absmax, nested_absmax, nested_quant_map)");
    form.absmax8 = reinterpret_cast<const std::uint8_t*>(absmax.bytes.data());
    owners->push_back(absmax.owner);
    form.nested_absmax = keep(nested_absmax->second);
    form.nested_code = keep(nested_map->second);
    form.nested_block = static_cast<int>(nested_block);
    form.offset = static_cast<float>(offset);
  } else {
    if (!quant::is_floating(absmax.dtype)) return fail("has an absmax that is not floating point");
    form.absmax = keep(absmax);
  }
  if (!finite) return fail("has block scales that are NaN or infinite");
  return {wanted.shape[0], wanted.shape[1], form, owners};
}

Status BaseWeights::finish(const std::string& family, int first_cut, int all_layers) const {
  if (!problems().empty()) {
    std::string what = where_ + ": ";
    for (std::size_t i = 0; i < std::min<std::size_t>(problems().size(), 8); ++i)
      what += (i ? "; " : "") + problems()[i];
    if (problems().size() > 8) what += "; and " + std::to_string(problems().size() - 8) + " more";
    return invalid(what);
  }
  std::string strays;
  const auto judge = [&](const std::string& name) {
    if (may_stay_unread(name, first_cut, all_layers)) return;
    strays += (strays.empty() ? "" : ", ") + name;
  };
  for (const auto& [name, tensor] : tensors_) judge(name);
  for (const auto& [name, parts] : parts_)
    if (!tensors_.contains(name)) judge(name);
  if (!strays.empty()) return invalid(where_ + ": tensors that no part of " + family + " reads: " + strays);
  return Ok{};
}

}  // namespace preferd::checkpoint
