// The lists that one forward reads of the host's, one behind the other: one copy takes all to the device.
//
// Where they lie follows from their sizes. kBucketed rounds those that batches of pad_to_bucket() still differ in up to
// powers of two: the last tile over and over, which writes the same bits again, and empty runs.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "model/kernels/cuda/attention.h"
#include "model/ops/accelerator.h"

namespace preferd::gpu {

enum class Rounding { kExact, kBucketed };

struct InputSizes {
  std::int32_t rows = 0, pooled = 0, tiles = 0, pooled_tiles = 0, runs = 0;

  auto operator<=>(const InputSizes&) const = default;
};

class Inputs {
 public:
  // `tile`: queries of a tile of attention, at most.
  Inputs(const ops::ForwardInputs& inputs, std::int32_t tile, Rounding rounding);

  const InputSizes& sizes() const { return sizes_; }
  std::span<const std::int32_t> words() const { return words_; }

 private:
  InputSizes sizes_;
  std::vector<std::int32_t> words_;
};

// The copy on the device, while its forward is on its way.
class PlacedInputs {
 public:
  PlacedInputs(const ops::ForwardInputs& inputs, const InputSizes& sizes, const std::int32_t* words)
      : inputs_(&inputs), sizes_(sizes), words_(words) {}

  // It is one of the lists.
  const std::int32_t* find(std::span<const std::int32_t> list) const;

  struct Attention {
    const kernels::cuda::AttentionTile* tiles;
    std::int32_t count;
    const kernels::KeyRun* runs;
  };
  // It is the forward's batch.
  Attention attention(const ops::Batch& batch, ops::Queries queries) const;

 private:
  const ops::ForwardInputs* inputs_;
  InputSizes sizes_;
  const std::int32_t* words_;
};

}  // namespace preferd::gpu
