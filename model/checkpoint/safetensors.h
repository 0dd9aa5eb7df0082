// The safetensors file format, read in place.
//
//   bytes 0..7   N, the header's length, little endian (at most 100 MB)
//   N bytes      JSON {"name": {"dtype": "BF16", "shape": [..], "data_offsets": [begin, end]}, ...,
//                "__metadata__"?}
//   the rest     the tensors' bytes; offsets count from here, leave no gaps, do not overlap and end at the
//                file's end
//
// By hand: the format's own library is in Rust. Everything is checked before a pointer is handed out. Borrowed
// memory: Tensor::owner keeps the mapping alive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/quant/dtype.h"

namespace preferd::checkpoint {

struct StoredTensor {
  quant::DType dtype = quant::DType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // may be unaligned
  std::shared_ptr<const void> owner;

  std::int64_t elements() const;
};

using TensorMap = std::map<std::string, StoredTensor>;

// Parses a whole file; `name` is for messages.
Result<TensorMap> parse_safetensors(const Bytes& file, const std::string& name);

// Opens and parses `path` under `files`.
Result<TensorMap> read_safetensors(const Files& files, const std::string& path);

// The files that read_checkpoint reads, the index included.
Result<std::vector<std::string>> checkpoint_files(const Files& folder);

// model.safetensors, or the shards that model.safetensors.index.json names.
Result<TensorMap> read_checkpoint(const Files& folder);

// "[576, 1536]"
std::string shape_text(const std::vector<std::int64_t>& shape);

// No NaN and no infinity in a floating tensor; other types pass.
bool all_finite(const StoredTensor& tensor);

}  // namespace preferd::checkpoint
