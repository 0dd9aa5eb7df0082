// A checkpoint put on disk tensor by tensor, as Hugging Face names its files: model.safetensors, or shards
// model-00001-of-0000N.safetensors with model.safetensors.index.json.
//
// All tensors are planned first, then written in any order and in pieces: memory holds none of them. In a
// file wider types come first, so that every tensor is aligned. Texts whose length is known only when they
// are made (a quantization state) come last.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/quant/dtype.h"

namespace preferd::checkpoint {

struct PlannedTensor {
  enum class Length { kShape, kAtMost };  // kAtMost: a U8 vector of no more than shape[0] bytes

  std::string name;
  quant::DType dtype = quant::DType::kF32;
  std::vector<std::int64_t> shape;
  Length length = Length::kShape;
};

// One thread.
class CheckpointWriter {
 public:
  // Shards are filled in the order of `plan`, each up to `shard_bytes` (one larger tensor is one shard);
  // `folder` is there. Files are synced as they fill up.
  CheckpointWriter(std::string folder, const std::vector<PlannedTensor>& plan, std::size_t shard_bytes);
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // The next bytes of the tensor; of a kAtMost one all at once. Errors: what the system says of the file.
  Status write(const std::string& name, std::span<const std::byte> bytes);

  // Every tensor was written whole. Writes the index where there are shards.
  Status finish();

  std::size_t shards() const;
  std::size_t bytes() const;  // of tensors, so far

 private:
  struct Shard;
  struct State;
  Status complete(Shard& shard);

  std::unique_ptr<State> state_;
};

}  // namespace preferd::checkpoint
