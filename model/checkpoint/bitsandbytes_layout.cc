#include "model/checkpoint/bitsandbytes_layout.h"

#include <charconv>
#include <cstdlib>

#include "base/check.h"

namespace preferd::checkpoint {
namespace {

using quant::DType;
using Scheme = Quantization::Scheme;

constexpr std::int64_t kLongestState = 512;
constexpr int kNestedBlock = 256;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::string module_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

const char* torch_name(DType type) {
  return type == DType::kBF16 ? "bfloat16" : type == DType::kF16 ? "float16" : "float32";
}

std::string state_name(const std::string& name, const char* type) {
  return name + ".quant_state.bitsandbytes__" + type;
}

std::string state_text(const Declared& weight, const quant::Block4& q, const char* type) {
  std::string text = std::string("{\"quant_type\": \"") + type +
                     "\", \"blocksize\": " + std::to_string(q.block) + ", \"dtype\": \"" +
                     torch_name(q.dtype) + "\", \"shape\": " + shape_text(weight.shape);
  if (q.absmax == nullptr)
    text += ", \"nested_blocksize\": " + std::to_string(q.nested_block) +
            ", \"nested_dtype\": \"float32\", \"nested_offset\": " + python_repr(q.offset);
  return text + "}";
}

template <class T>
std::span<const std::byte> memory(const T* data, std::int64_t count) {
  return {reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(count) * sizeof(T)};
}

}  // namespace

std::string python_repr(double value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string text(buffer, end);
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16) return text;
  const std::string sign = text.starts_with('-') ? "-" : "";
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c != '-' && c != '.') digits += c;
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::vector<PlannedTensor> planned_parts(const Declared& weight, const std::string& name,
                                         const Quantization& form) {
  PREFERD_CHECK(form.scheme != Scheme::kNone && weight.shape.size() == 2);
  const std::int64_t rows = weight.shape[0], n = rows * weight.shape[1];
  if (form.scheme == Scheme::kInt8) {
    std::vector<PlannedTensor> parts = {{name, DType::kI8, weight.shape},
                                        {module_of(name) + ".SCB", DType::kF32, {rows}}};
    if (weight.role != Role::kEmbedding)
      parts.push_back({module_of(name) + ".weight_format", DType::kU8, {}});
    return parts;
  }
  const std::int64_t blocks = ceil_div(n, form.block_size);
  std::vector<PlannedTensor> parts = {
      {name, DType::kU8, {ceil_div(n, 2), 1}},
      {name + ".absmax", form.double_quant ? DType::kU8 : DType::kF32, {blocks}},
      {name + ".quant_map", DType::kF32, {16}},
      {state_name(name, word_of(form.scheme)), DType::kU8, {kLongestState}, PlannedTensor::Length::kAtMost}};
  if (form.double_quant) {
    parts.push_back({name + ".nested_absmax", DType::kF32, {ceil_div(blocks, kNestedBlock)}});
    parts.push_back({name + ".nested_quant_map", DType::kF32, {256}});
  }
  return parts;
}

std::vector<WeightPart> weight_parts(const Declared& weight, const std::string& name,
                                     const quant::Matrix& encoded) {
  const std::int64_t n = encoded.rows * encoded.cols;
  if (const auto* q = std::get_if<quant::Int8Row>(&encoded.form)) {
    std::vector<WeightPart> parts = {{name, {}, memory(q->codes, n)},
                                     {module_of(name) + ".SCB", {}, memory(q->scale, encoded.rows)}};
    if (weight.role != Role::kEmbedding)
      parts.push_back({module_of(name) + ".weight_format", std::string(1, '\0')});
    return parts;
  }
  const auto& q = std::get<quant::Block4>(encoded.form);
  const char* type = quant::form_name(encoded);
  const std::int64_t blocks = ceil_div(n, q.block);
  std::vector<WeightPart> parts = {{name, {}, memory(q.codes, ceil_div(n, 2))},
                                   {name + ".quant_map", {}, memory(q.code.data(), 16)},
                                   {state_name(name, type), state_text(weight, q, type)}};
  if (q.absmax != nullptr) {
    parts.push_back({name + ".absmax", {}, memory(q.absmax, blocks)});
    return parts;
  }
  parts.push_back({name + ".absmax", {}, memory(q.absmax8, blocks)});
  parts.push_back({name + ".nested_absmax", {}, memory(q.nested_absmax, ceil_div(blocks, q.nested_block))});
  parts.push_back({name + ".nested_quant_map", {}, memory(q.nested_code, 256)});
  return parts;
}

}  // namespace preferd::checkpoint
