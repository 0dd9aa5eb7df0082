#include "model/checkpoint/safetensors_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/json.h"

namespace preferd::checkpoint {

static_assert(std::endian::native == std::endian::little);

std::size_t SafetensorsEntry::bytes() const {
  std::size_t count = quant::size_of(dtype);
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

std::string safetensors_header(const std::vector<SafetensorsEntry>& entries,
                               const SafetensorsMetadata& metadata, std::size_t room) {
  std::string header;
  JsonWriter json(header);
  json.begin_object();
  if (!metadata.empty()) {
    json.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata) json.member(key, value);
    json.end_object();
  }
  for (const SafetensorsEntry& e : entries) {
    json.key(e.name).begin_object().member("dtype", quant::name_of(e.dtype)).key("shape").begin_array();
    for (const std::int64_t size : e.shape) json.value(size);
    json.end_array().key("data_offsets").begin_array();
    json.value(static_cast<std::uint64_t>(e.begin)).value(static_cast<std::uint64_t>(e.begin + e.bytes()));
    json.end_array().end_object();
  }
  json.end_object();
  header.resize(std::max((header.size() + 7) / 8 * 8, room < 8 ? 0 : room - 8), ' ');
  std::string text(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(text.data(), &length, 8);
  return text + header;
}

std::string safetensors_text(const TensorMap& tensors, const SafetensorsMetadata& metadata) {
  std::vector<SafetensorsEntry> entries;
  std::size_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    entries.push_back({name, tensor.dtype, tensor.shape, at});
    PREFERD_CHECK(tensor.bytes.size() == entries.back().bytes());
    at += tensor.bytes.size();
  }
  std::string text = safetensors_header(entries, metadata);
  text.reserve(text.size() + at);
  for (const auto& [name, tensor] : tensors)
    text.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  return text;
}

}  // namespace preferd::checkpoint
