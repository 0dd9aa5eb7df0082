#include "model/checkpoint/safetensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/json.h"

namespace preferd::checkpoint {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kMaxName = 1024;

struct Extent {
  std::uint64_t begin, end;
  std::string name;
};

bool get_count(const Json& j, std::uint64_t& out) {
  if (!j.is_number_unsigned()) return false;
  out = j.get<std::uint64_t>();
  return true;
}

// One header entry -> a tensor; an empty string or what is wrong with it.
std::string read_entry(const Json& entry, std::span<const std::byte> data, StoredTensor& tensor,
                       Extent& extent) {
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets"))
    return "expected exactly dtype, shape and data_offsets";
  if (!entry["dtype"].is_string()) return "dtype is not a string";
  const auto dtype = quant::parse_dtype(entry["dtype"].get_ref<const std::string&>());
  if (!dtype) return "unknown dtype";
  tensor.dtype = *dtype;
  std::uint64_t elements = 1;
  if (!entry["shape"].is_array() || entry["shape"].size() > 8)
    return "shape is not an array of at most 8 sizes";
  for (const Json& d : entry["shape"]) {
    std::uint64_t size = 0;
    if (!get_count(d, size) || size > (std::uint64_t{1} << 40)) return "a size of the shape is out of range";
    if (size != 0 && elements > (std::uint64_t{1} << 44) / size) return "the shape is too large";
    elements *= size;
    tensor.shape.push_back(static_cast<std::int64_t>(size));
  }
  const Json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !get_count(offsets[0], extent.begin) ||
      !get_count(offsets[1], extent.end))
    return "data_offsets is not a pair of numbers";
  if (extent.begin > extent.end || extent.end > data.size())
    return "data_offsets [" + std::to_string(extent.begin) + ", " + std::to_string(extent.end) +
           "] lie outside the " + std::to_string(data.size()) + " bytes of data (truncated file?)";
  if (extent.end - extent.begin != elements * quant::size_of(tensor.dtype))
    return "data_offsets span " + std::to_string(extent.end - extent.begin) + " bytes, the shape needs " +
           std::to_string(elements * quant::size_of(tensor.dtype));
  tensor.bytes = data.subspan(extent.begin, extent.end - extent.begin);
  return {};
}

// Tensors must cover the data from 0 to its end, one after the other.
std::string check_layout(std::vector<Extent>& extents, std::uint64_t size) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t at = 0;
  for (const Extent& e : extents) {
    if (e.begin < at) return "tensor " + e.name + " overlaps the tensor before it";
    if (e.begin > at)
      return std::to_string(e.begin - at) + " bytes before tensor " + e.name + " belong to no tensor";
    at = e.end;
  }
  if (at != size) return std::to_string(size - at) + " bytes at the end belong to no tensor";
  return {};
}

}  // namespace

std::int64_t StoredTensor::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t d : shape) n *= d;
  return n;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

bool all_finite(const StoredTensor& tensor) {
  if (!quant::is_floating(tensor.dtype)) return true;
  std::array<float, 1024> x;
  const auto n = static_cast<std::size_t>(tensor.elements());
  const std::size_t size = quant::size_of(tensor.dtype);
  for (std::size_t at = 0; at < n; at += x.size()) {
    const std::size_t count = std::min(x.size(), n - at);
    quant::widen(tensor.dtype, tensor.bytes.data() + at * size, count, x.data());
    float sum = 0;  // 0 * x is NaN where x is not finite
    for (std::size_t i = 0; i < count; ++i) sum += x[i] * 0.0f;
    if (!(sum == 0.0f)) return false;
  }
  return true;
}

Result<TensorMap> parse_safetensors(const Bytes& file, const std::string& name) {
  const auto bad = [&](const std::string& why) { return invalid(name + ": " + why); };
  if (file.view.size() < 8) return bad("not a safetensors file: shorter than 8 bytes");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::to_integer<std::uint64_t>(file.view[i]) << (8 * i);
  if (length > kMaxHeader || length > file.view.size() - 8)
    return bad("not a whole safetensors file: the header says " + std::to_string(length) +
               " bytes, the file has " + std::to_string(file.view.size() - 8) + " after its length");
  const auto header = parse_json(file.text().substr(8, length), {.max_bytes = kMaxHeader, .max_depth = 4});
  if (!header) return bad("header: " + header.error().what);
  if (!header->is_object()) return bad("header: expected a JSON object");
  const auto data = file.view.subspan(8 + length);
  TensorMap tensors;
  std::vector<Extent> extents;
  for (const auto& [key, entry] : header->items()) {
    if (key == "__metadata__") continue;
    if (key.size() > kMaxName)
      return bad("a tensor's name has " + std::to_string(key.size()) + " bytes, the limit is 1024");
    StoredTensor tensor;
    Extent extent{0, 0, key};
    const std::string why = read_entry(entry, data, tensor, extent);
    if (!why.empty()) return bad("tensor " + key + ": " + why);
    tensor.owner = file.owner;
    tensors.emplace(key, std::move(tensor));
    extents.push_back(std::move(extent));
  }
  const std::string why = check_layout(extents, data.size());
  if (!why.empty()) return bad(why);
  return tensors;
}

Result<TensorMap> read_safetensors(const Files& files, const std::string& path) {
  const auto bytes = files.open(path);
  if (!bytes) return bytes.error();
  return parse_safetensors(*bytes, files.name() + "/" + path);
}

namespace {

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

struct Index {
  std::map<std::string, std::string> shard_of;  // by tensor
  std::set<std::string> shards;
};

Result<Index> read_index(const Files& folder) {
  const std::string where = folder.name() + "/" + kIndex;
  const auto bytes = folder.open(kIndex);
  if (!bytes) return bytes.error();
  const auto json = parse_json(bytes->text());
  if (!json) return invalid(where + ": " + json.error().what);
  if (!json->is_object() || !json->contains("weight_map") || !(*json)["weight_map"].is_object())
    return invalid(where + ": weight_map is missing or no object");
  Index index;
  for (const auto& [name, shard] : (*json)["weight_map"].items()) {
    if (!shard.is_string() || shard.get_ref<const std::string&>().find('/') != std::string::npos)
      return invalid(where + ": the shard of " + name + " is not a plain file name");
    index.shard_of[name] = shard.get<std::string>();
    index.shards.insert(index.shard_of[name]);
  }
  return index;
}

}  // namespace

Result<std::vector<std::string>> checkpoint_files(const Files& folder) {
  if (!folder.exists(kIndex)) {
    if (folder.exists(kWhole)) return std::vector<std::string>{kWhole};
    return invalid(folder.name() + ": neither " + kWhole + " nor " + kIndex + " is there");
  }
  const auto index = read_index(folder);
  if (!index) return index.error();
  std::vector<std::string> files(index->shards.begin(), index->shards.end());
  files.emplace_back(kIndex);
  return files;
}

Result<TensorMap> read_checkpoint(const Files& folder) {
  if (!folder.exists(kIndex)) {
    auto whole = read_safetensors(folder, kWhole);
    if (!whole && whole.error().code == Code::kNotFound)
      return invalid(folder.name() + ": neither " + kWhole + " nor " + kIndex + " is there");
    return whole;
  }
  const std::string where = folder.name() + "/" + kIndex;
  const auto index = read_index(folder);
  if (!index) return index.error();
  TensorMap all;
  for (const std::string& shard : index->shards) {
    auto part = read_safetensors(folder, shard);
    if (!part) return part.error();
    for (auto& [name, tensor] : *part)
      if (!all.emplace(name, std::move(tensor)).second)
        return invalid(where + ": tensor " + name + " stands in two shards");
  }
  for (const auto& [name, shard] : index->shard_of)
    if (!all.contains(name)) return invalid(where + ": tensor " + name + " is in no shard");
  return all;
}

}  // namespace preferd::checkpoint
