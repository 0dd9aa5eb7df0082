#include "model/checkpoint/safetensors_writer.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/json.h"

namespace preferd {

static_assert(std::endian::native == std::endian::little);

std::string safetensors_text(const TensorMap& tensors, const std::map<std::string, std::string>& metadata) {
  std::string header;
  JsonWriter json(header);
  json.begin_object();
  if (!metadata.empty()) {
    json.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata) json.member(key, value);
    json.end_object();
  }
  std::size_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    PREFERD_CHECK(tensor.bytes.size() ==
                  static_cast<std::size_t>(tensor.elements()) * quant::size_of(tensor.dtype));
    json.key(name).begin_object().member("dtype", quant::name_of(tensor.dtype)).key("shape").begin_array();
    for (const std::int64_t size : tensor.shape) json.value(size);
    json.end_array().key("data_offsets").begin_array();
    json.value(static_cast<std::uint64_t>(at)).value(static_cast<std::uint64_t>(at + tensor.bytes.size()));
    json.end_array().end_object();
    at += tensor.bytes.size();
  }
  json.end_object();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string text(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(text.data(), &length, 8);
  text.reserve(8 + header.size() + at);
  text += header;
  for (const auto& [name, tensor] : tensors)
    text.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  return text;
}

}  // namespace preferd
