// The lists that one forward reads from the host, stored one after the other, so that one copy takes all of
// them to the device.
//
// Their offsets follow from their sizes. kBucketed rounds those sizes that still differ between batches of
// pad_to_bucket() up to powers of two: it repeats the last tile, which writes the same bits again, and adds
// empty runs.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "model/backend/accelerator.h"
#include "model/kernels/cuda/attention.h"

namespace preferd::backend::cuda {

enum class Rounding { kExact, kBucketed };

struct InputSizes {
  std::int32_t rows = 0, pooled = 0, tiles = 0, pooled_tiles = 0, runs = 0;

  auto operator<=>(const InputSizes&) const = default;
};

class Inputs {
 public:
  // `tile`: the largest number of queries in a tile of attention.
  Inputs(const ForwardInputs& inputs, std::int32_t tile, Rounding rounding);

  const InputSizes& sizes() const { return sizes_; }
  std::span<const std::int32_t> words() const { return words_; }

 private:
  InputSizes sizes_;
  std::vector<std::int32_t> words_;
};

// The copy on the device, while its forward is in progress.
class PlacedInputs {
 public:
  PlacedInputs(const ForwardInputs& inputs, const InputSizes& sizes, const std::int32_t* words)
      : inputs_(&inputs), sizes_(sizes), words_(words) {}

  // `list` is one of the lists.
  const std::int32_t* find(std::span<const std::int32_t> list) const;

  struct Attention {
    const kernels::cuda::AttentionTile* tiles;
    std::int32_t count;
    const kernels::KeyRun* runs;
  };
  // `batch` is the forward's batch.
  Attention attention(const Batch& batch, Queries queries) const;

 private:
  const ForwardInputs* inputs_;
  InputSizes sizes_;
  const std::int32_t* words_;
};

}  // namespace preferd::backend::cuda
